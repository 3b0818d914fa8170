package sweep

import (
	"fmt"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// WholeLoad returns m changed so that a ramp or a trace is measured to its end: the
// length of the load replaces the limits of time and requests, and Stop never ends it. An
// early verdict says nothing about the rest of such a load, for example a burst after two
// quiet minutes. Other loads do not change m. Targets call it first in Measure.
func WholeLoad(m Measurement) Measurement {
	switch m.Load.Mode {
	case load.Ramp:
		m.Time = m.Load.Over
	case load.Trace:
		m.Time = load.TraceLongest + 1 // the latest possible send time of a trace is TraceLongest
	default:
		return m
	}
	m.Max = 0
	m.Stop = func(time.Duration, []load.Sample) (bool, string) { return false, "" }
	return m
}

// LoadWarnings returns the warnings that every result under l must have.
func LoadWarnings(l load.Spec) []trial.Warning {
	if l.Mode != load.Ramp {
		return nil
	}
	return []trial.Warning{{Text: fmt.Sprintf("the load changed from %g to %g/s: latencies and verdict are not those of one rate", l.From, l.To)}}
}
