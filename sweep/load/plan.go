package load

import (
	"math/rand/v2"
	"time"
)

// planStream is the second seed of the random generator: it gives the plan its own stream of
// random numbers.
const planStream = 0x6c6f6164

// Plan returns the planned send times of an open load or a ramp, since the start of the run,
// ascending, all below limit (0 is 60 s), and at most max of them (0 is no limit). The same
// arguments give the same plan, so that settings are compared with the same arrivals.
//
// Poisson arrivals have independent exponential intervals. Constant arrivals have intervals of
// 1/Rate and a random phase, so that several generators, or a generator and a timer of the
// server, are not in phase.
//
// A ramp has the same process with a changing rate. Plan returns nil for closed loads and
// traces.
func Plan(s Spec, seed uint64, limit time.Duration, max int) []time.Duration {
	if s.Mode == Ramp {
		return planRamp(s, seed, limit, max)
	}
	if s.Mode != Open || !(s.Rate > 0) {
		return nil
	}
	if limit == 0 {
		limit = defaultLimit
	}
	expected := s.Rate*limit.Seconds() + 1
	if max > 0 {
		expected = min(expected, float64(max))
	}
	plan := make([]time.Duration, 0, int(expected))
	rng := rand.New(rand.NewPCG(seed, planStream))
	gap := float64(time.Second) / s.Rate
	phase, sum := rng.Float64(), 0.0
	for max == 0 || len(plan) < max {
		at := (phase + float64(len(plan))) * gap // not a sum, whose rounding errors would add up
		if s.Arrivals == Poisson {
			sum += rng.ExpFloat64() * gap
			at = sum
		}
		if at >= float64(limit) {
			break
		}
		plan = append(plan, time.Duration(at))
	}
	return plan
}

// truncate limits a plan to limit and max, as Plan does.
func truncate(plan []time.Duration, limit time.Duration, max int) []time.Duration {
	if max > 0 && len(plan) > max {
		plan = plan[:max]
	}
	for len(plan) > 0 && plan[len(plan)-1] >= limit {
		plan = plan[:len(plan)-1]
	}
	return plan
}
