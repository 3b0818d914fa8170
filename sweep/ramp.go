package sweep

import (
	"fmt"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Whole returns m so that a ramp or a trace runs to its end: its budget of time and
// requests is the load's own, and nobody is asked whether to stop, since a verdict
// that is certain at the beginning says nothing about what comes later: a burst
// after two quiet minutes is what a trace is recorded for. Every other load is
// returned as it is. A Target that measures such loads begins with it.
func WholeLoad(m Measurement) Measurement {
	switch m.Load.Mode {
	case load.Ramp:
		m.Time = m.Load.Over
	case load.Trace:
		m.Time = load.TraceLongest + 1 // its last request is at most so late
	default:
		return m
	}
	m.Max = 0
	m.Stop = func(time.Duration, []load.Sample) (bool, string) { return false, "" }
	return m
}

// Remarks are the warnings that every measurement under l has to carry.
func LoadWarnings(l load.Spec) []trial.Warning {
	if l.Mode != load.Ramp {
		return nil
	}
	return []trial.Warning{{Text: fmt.Sprintf("the load went from %g to %g/s: figures and verdict are of a changing load, not of any one rate", l.From, l.To)}}
}
