package predict

import (
	"time"

	"sweetspot/sweep/load"
)

// Promise is what a load has to keep in MaxRate.
type Promise struct {
	Q     float64       // the quantile, 0 < Q < 1
	Limit time.Duration // that stays at or below this, of request latency
}

// MaxRate predicts the highest rate, in requests per second and to about 1%, at
// which requests of an open load keep the promise and none is refused; 0 when
// none is found. Each rate is tried with the same arrivals, drawn once from
// c.Seed and stretched, so that settings with the same seed and number of
// requests can be compared. c's own load is left out.
//
// It steps down from the greatest rate that the workers could bear, since a
// batch delay can break a promise at low rates that it keeps at higher ones,
// and then halves between the first rate that passes and the one above it.
func MaxRate(s *Sim, c Config, law load.Arrivals, requests int, p Promise) float64 {
	const steps, precise = 16, .01
	unit := load.Plan(load.Spec{Mode: load.Open, Rate: 1, Arrivals: law}, c.Seed, never, requests)
	plan := make([]time.Duration, len(unit))
	passes := func(rate float64) bool {
		for i, at := range unit {
			plan[i] = time.Duration(float64(at) / rate)
		}
		c.Plan, c.Detail = plan, false
		s.Reset(c)
		s.Run()
		return s.Refused() == 0 && s.Quantile(p.Q) <= float64(p.Limit)/1e6
	}
	top := c.Service.Rate(c.Settings.Workers, c.Settings.BatchSize)
	for k := steps; k > 0; k-- {
		low, high := top*float64(k)/steps, top*float64(k+1)/steps
		if !passes(low) {
			continue
		}
		for high-low > precise*low {
			if mid := (low + high) / 2; passes(mid) {
				low = mid
			} else {
				high = mid
			}
		}
		return low
	}
	return 0
}
