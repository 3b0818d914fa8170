package sweep

import (
	"math"
	"testing"
	"time"

	"sweetspot/sweep/trial"
)

// TestPassTime: the time of the budget for a validation that can be a pass follows from the throughput, and is at most a third.
func TestPassTime(t *testing.T) {
	for _, c := range []struct {
		budget  time.Duration
		rate    float64
		seconds float64
	}{
		{time.Minute, 400, 18},   // 6400 answers
		{time.Minute, 200, 14.5}, // 2500 answers: the others do not fit
		{time.Minute, 100, 0},    // neither fits
		{3 * time.Minute, 400, 18},
		{time.Hour, 10, 642},
		{time.Minute, 0, 0},
	} {
		s := &run{Runner: &Runner{Time: c.budget, SLA: trial.SLA{Percentile: 99}}}
		var best trial.Trial
		best.Throughput.Value = trial.NumOf(c.rate)
		if got := s.passTime(best).Seconds(); math.Abs(got-c.seconds) > .1 {
			t.Errorf("%v at %g/s: %g s, want %g", c.budget, c.rate, got, c.seconds)
		}
	}
}
