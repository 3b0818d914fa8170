package predict

import (
	"math"
	"time"

	"sweetspot/sweep/load"
)

// Promise is the promise that MaxRate checks.
type Promise struct {
	Q      float64       // quantile, 0 < Q < 1
	Limit  time.Duration // of that quantile
	Model  bool          // the limit is for the model latency, not the request latency; needs Detail
	Errors float64       // share of requests that may be refused
}

// Value returns the quantile in ms of the answered requests of s; NaN if there are fewer than
// 1/(1-Q).
func (p Promise) Value(s *Sim) float64 {
	if !s.c.Detail {
		return s.Quantile(p.Q)
	}
	s.sortBuffer = s.sortBuffer[:0]
	for _, v := range s.samples {
		switch {
		case v.Outcome == load.Refused:
		case p.Model:
			s.sortBuffer = append(s.sortBuffer, float64(v.Model)*1e-6)
		default:
			s.sortBuffer = append(s.sortBuffer, float64(v.Latency)*1e-6)
		}
	}
	return s.quantile(p.Q)
}

// maxUtilization is the highest utilization at which a server is considered to keep up. Above it,
// queues grow for longer than a simulation lasts.
const maxUtilization = .98

// KeepsUp reports whether the workers of c can answer requests at the rate with full batches. It
// is independent of the latencies.
func KeepsUp(c Config, rate float64) bool {
	return rate <= maxUtilization*c.Service.Rate(c.Settings.Workers, c.Settings.BatchSize)
}

// Kept reports whether the answered requests of s keep the promise.
func (p Promise) Kept(s *Sim) bool {
	return float64(s.Refused()) <= p.Errors*float64(s.Sent()) && p.Value(s) <= float64(p.Limit)/1e6
}

// MaxRate predicts the highest rate, in requests per second and with an error of about 1%, at
// which an open load keeps the promise; 0 if there is none. All rates use the same arrivals,
// drawn once with c.Seed and scaled, so that settings with the same seed and number of requests
// can be compared. It ignores the load of c.
//
// It steps down from the highest rate that the workers could serve, because a batch
// delay may break a promise at low rates that is kept at higher ones. Then it bisects
// between the first rate that passes and the next higher one.
func MaxRate(s *Sim, c Config, arrivals load.Arrivals, requests int, p Promise) float64 {
	const steps, precision = 16, .01
	unit := load.Plan(load.Spec{Mode: load.Open, Rate: 1, Arrivals: arrivals}, c.Seed, never, requests)
	plan := make([]time.Duration, len(unit))
	passes := func(rate float64) bool {
		if !KeepsUp(c, rate) {
			return false
		}
		for i, at := range unit {
			plan[i] = time.Duration(float64(at) / rate)
		}
		c.Plan, c.Detail = plan, p.Model
		s.Reset(c)
		return p.runUntilBroken(s, plan) && p.Kept(s)
	}
	top := c.Service.Rate(c.Settings.Workers, c.Settings.BatchSize)
	for k := steps; k > 0; k-- {
		low, high := top*float64(k)/steps, top*float64(k+1)/steps
		if !passes(low) {
			continue
		}
		for high-low > precision*low {
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

// runUntilBroken runs s to the end of its plan, or until the promise is certainly broken: too
// many answers are over the limit, or a request was refused although no errors are allowed. That
// saves time at rates that are too high. It returns false if the promise is broken.
func (p Promise) runUntilBroken(s *Sim, plan []time.Duration) bool {
	const parts = 8
	n := float64(len(plan))
	allowed := len(plan) - int(math.Ceil(p.Q*n-1e-9*n))
	limit := float64(p.Limit) / 1e6
	over, checked := 0, 0
	for k := 1; k < parts && !s.c.Detail; k++ {
		s.Advance(plan[len(plan)*k/parts])
		for _, v := range s.latencies[checked:] {
			if v > limit {
				over++
			}
		}
		checked = len(s.latencies)
		if p.Errors == 0 && (s.refused > 0 || over > allowed) {
			return false
		}
	}
	s.Run()
	return true
}
