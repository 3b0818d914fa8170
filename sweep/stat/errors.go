package stat

import (
	"fmt"
	"time"
)

// DecideErrors decides whether at most the allowed share of requests fails. failed has one
// value per request in time order; times are their planned times, nil if unknown.
//
// If no error is allowed, one error is a failure, and a run without errors passes. Above 0 the
// share is decided as a percentile ([Decide]): errors occur in clusters, repeated looks
// increase the chance of a wrong answer, and the answer may be undecided.
func DecideErrors(failed []bool, times []time.Duration, allowed float64) Decision {
	n := 0
	for _, f := range failed {
		if f {
			n++
		}
	}
	d := Decision{N: len(failed), Over: n}
	switch {
	case len(failed) == 0:
		d.Why = "no requests"
	case allowed <= 0 && n > 0:
		d.Answer = Fail
	case allowed <= 0 || allowed >= 1:
		d.Answer = Pass
	default:
		return decideErrorRate(failed, times, allowed)
	}
	d.Leaning = d.Answer
	return d
}

// decideErrorRate decides for an allowed share above 0.
func decideErrorRate(failed []bool, times []time.Duration, allowed float64) Decision {
	look := Look(len(failed))
	if look == 0 {
		return Decision{N: len(failed), Why: fmt.Sprintf("only %d requests", len(failed))}
	}
	values := make([]float64, look)
	for i, f := range failed[:look] {
		if f {
			values[i] = 1
		}
	}
	r := run{values: values}
	if times != nil {
		r.times = times[:look]
	}
	return Promise{Q: 1 - allowed, Limit: .5, errors: true}.look(r)
}
