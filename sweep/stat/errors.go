package stat

import (
	"fmt"
	"time"
)

// DecideErrors says whether at most the allowed share of requests fails. failed
// tells it of each request in time order, times are when they were planned, nil
// where that is not known.
//
// Where no error is allowed one is a failure, and none seen may pass. Above 0 the
// share is judged as a percentile is ([Decide]): errors come in clusters, looking
// again and again adds up, and the answer may be undecided.
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
		return decideShare(failed, times, allowed)
	}
	d.Leaning = d.Answer
	return d
}

// decideShare judges a share of errors that is allowed.
func decideShare(failed []bool, times []time.Duration, allowed float64) Decision {
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
	return Promise{Q: 1 - allowed, Limit: .5, shares: true}.look(r)
}
