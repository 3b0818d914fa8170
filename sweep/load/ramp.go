package load

import (
	"math"
	"time"
)

// planRamp plans a ramp. Its rate at t is
//
//	from + k t,  k = (to - from) / over
//
// so that n(t) = from t + k t^2 / 2 requests are due by then. It plans an open load of rate 1
// on the axis n and maps each n back to t: equal steps of n make a constant ramp, exponential
// steps a Poisson process of this rate.
func planRamp(s Spec, seed uint64, limit time.Duration, max int) []time.Duration {
	if !(s.From > 0 && s.To > 0) || s.Over <= 0 {
		return nil
	}
	if limit == 0 {
		limit = defaultLimit
	}
	limit = min(limit, s.Over)
	unit := Spec{Mode: Open, Rate: 1, Arrivals: s.Arrivals}
	due := time.Duration(s.expectedRequests(limit) * float64(time.Second)) // duration of the load of rate 1
	plan := Plan(unit, seed, due, max)
	for i, n := range plan {
		plan[i] = s.requestTime(n.Seconds())
	}
	return truncate(plan, limit, max)
}

// expectedRequests returns the expected number of requests of a ramp until t.
func (s Spec) expectedRequests(t time.Duration) float64 {
	k := (s.To - s.From) / s.Over.Seconds()
	return s.From*t.Seconds() + k/2*t.Seconds()*t.Seconds()
}

// requestTime returns the time at which n requests of a ramp are due: the root of
// expectedRequests, in a variant without numerical cancellation.
func (s Spec) requestTime(n float64) time.Duration {
	k := (s.To - s.From) / s.Over.Seconds()
	root := math.Sqrt(max(s.From*s.From+2*k*n, 0)) // the rate at that time
	return time.Duration(2 * n / (s.From + root) * float64(time.Second))
}
