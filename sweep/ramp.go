package sweep

import (
	"fmt"
	"time"

	"sweetspot/sweep/load"
)

// Whole returns m so that a ramp runs to its end: its budget of time and requests
// is the ramp's own, and nobody is asked whether to stop, since a verdict that is
// certain at the low rates says nothing about the high ones. Every other load is
// returned as it is. A Target that measures ramps begins with it.
func Whole(m Measurement) Measurement {
	if m.Load.Mode != load.Ramp {
		return m
	}
	m.Time, m.Max = m.Load.Over, 0
	m.Stop = func(time.Duration, []load.Sample) (bool, string) { return false, "" }
	return m
}

// Remarks are the warnings that every measurement under l has to carry.
func Remarks(l load.Spec) []string {
	if l.Mode != load.Ramp {
		return nil
	}
	return []string{fmt.Sprintf("the load went from %g to %g/s: figures and verdict are of a changing load, not of any one rate", l.From, l.To)}
}
