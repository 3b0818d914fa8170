package predict

import (
	"math"
	"time"

	"sweetspot/sweep/load"
)

// Promise is what a load has to keep in MaxRate.
type Promise struct {
	Q      float64       // the quantile, 0 < Q < 1
	Limit  time.Duration // that stays at or below this
	Model  bool          // it binds the time of the batch, not of the request; needs Detail
	Errors float64       // share of requests that may be refused
}

// Value is the quantile in ms of what s has answered; NaN where there are fewer
// than 1/(1-Q).
func (p Promise) Value(s *Sim) float64 {
	if !s.c.Detail {
		return s.Quantile(p.Q)
	}
	s.scratch = s.scratch[:0]
	for _, v := range s.samples {
		switch {
		case v.Outcome == load.Refused:
		case p.Model:
			s.scratch = append(s.scratch, float64(v.Model)*1e-6)
		default:
			s.scratch = append(s.scratch, float64(v.Latency)*1e-6)
		}
	}
	return s.quantile(p.Q)
}

// mostBusy is the share of what its workers bear that a server is taken to keep up
// with: above, queues grow for longer than any simulation lasts.
const mostBusy = .98

// KeepsUp tells whether c's workers answer as many requests as come at a rate, by
// full batches: whatever latency a promise binds, and however loose it is.
func KeepsUp(c Config, rate float64) bool {
	return rate <= mostBusy*c.Service.Rate(c.Settings.Workers, c.Settings.BatchSize)
}

// Kept tells whether what s has answered keeps the promise.
func (p Promise) Kept(s *Sim) bool {
	return float64(s.Refused()) <= p.Errors*float64(s.Sent()) && p.Value(s) <= float64(p.Limit)/1e6
}

// MaxRate predicts the highest rate, in requests per second and to about 1%, at
// which requests of an open load keep the promise; 0 when none is found. Each rate is tried with the same arrivals, drawn once from
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
		if !KeepsUp(c, rate) {
			return false
		}
		for i, at := range unit {
			plan[i] = time.Duration(float64(at) / rate)
		}
		c.Plan, c.Detail = plan, p.Model
		s.Reset(c)
		return p.mayKeep(s, plan) && p.Kept(s)
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

// mayKeep runs s to the end of its plan, or until more answers are over the
// limit than all of its requests allow, or one was refused where none may be:
// most of the rates that are too high show that early.
func (p Promise) mayKeep(s *Sim, plan []time.Duration) bool {
	const parts = 8
	n := float64(len(plan))
	allowed := len(plan) - int(math.Ceil(p.Q*n-1e-9*n))
	limit := float64(p.Limit) / 1e6
	over, seen := 0, 0
	for k := 1; k < parts && !s.c.Detail; k++ {
		s.Advance(plan[len(plan)*k/parts])
		for _, v := range s.latencies[seen:] {
			if v > limit {
				over++
			}
		}
		seen = len(s.latencies)
		if p.Errors == 0 && (s.refused > 0 || over > allowed) {
			return false
		}
	}
	s.Run()
	return true
}
