package load

import (
	"math"
	"time"
)

// planRamp plans a ramp. Its rate at t is
//
//	from + k t,  k = (to - from) / over
//
// so that n(t) = from t + k t^2 / 2 requests are due by then. The requests of an
// open load of one per unit, at n of them, are therefore due at the t of that n:
// equal steps of n make a constant ramp, exponential ones a Poisson process of
// this very rate.
func planRamp(s Spec, seed uint64, limit time.Duration, max int) []time.Duration {
	if !(s.From > 0 && s.To > 0) || s.Over <= 0 {
		return nil
	}
	if limit == 0 {
		limit = defaultLimit
	}
	limit = min(limit, s.Over)
	unit := Spec{Mode: Open, Rate: 1, Arrivals: s.Arrivals}
	due := time.Duration(s.ramped(limit) * float64(time.Second)) // as the time of the unit's load
	plan := Plan(unit, seed, due, max)
	for i, n := range plan {
		plan[i] = s.rampedAt(n.Seconds())
	}
	return cut(plan, limit, max)
}

// ramped is how many requests of a ramp are due by t, within it.
func (s Spec) ramped(t time.Duration) float64 {
	k := (s.To - s.From) / s.Over.Seconds()
	return s.From*t.Seconds() + k/2*t.Seconds()*t.Seconds()
}

// rampedAt is when n requests of a ramp are due: the root of ramped, in the form
// that does not cancel.
func (s Spec) rampedAt(n float64) time.Duration {
	k := (s.To - s.From) / s.Over.Seconds()
	root := math.Sqrt(max(s.From*s.From+2*k*n, 0)) // the rate there
	return time.Duration(2 * n / (s.From + root) * float64(time.Second))
}
