package load

import (
	"math/rand/v2"
	"time"
)

// planStream is the second half of the generator's seed: the plan draws from a
// stream of its own, whatever else the seed is used for.
const planStream = 0x6c6f6164

// Plan returns the planned send times of an open load or a ramp since the run's
// start, ascending, all below limit (0 is 60 s) and at most max of them (0 is no
// limit). The same arguments give the same plan, so that settings can be
// compared under the same arrivals.
//
// Poisson arrivals have independent exponential gaps. Constant ones are 1/Rate
// apart, and start at a random phase so that several generators, or a
// generator and a server's timer, do not beat in step.
//
// A ramp is the same with time stretched where its rate is low.
//
// A closed load has no plan, and a trace is its own: nil.
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
		at := (phase + float64(len(plan))) * gap // no sum: errors would add up
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

// cut ends a plan at limit and max, as Plan does.
func cut(plan []time.Duration, limit time.Duration, max int) []time.Duration {
	if max > 0 && len(plan) > max {
		plan = plan[:max]
	}
	for len(plan) > 0 && plan[len(plan)-1] >= limit {
		plan = plan[:len(plan)-1]
	}
	return plan
}
