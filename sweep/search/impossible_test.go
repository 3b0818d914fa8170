package search_test

import (
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// unreachable returns a machine on which a batch of one takes 10 ms, and a limit of 5 ms.
func unreachable() (plan.Plan, []plan.Point, fakeServer) {
	p, points, w := defaultProblem()
	p.SLA.Limit = 5 * time.Millisecond
	w.service = func(s knob.Settings) float64 { return 8 + 2*float64(s.BatchSize) }
	w.rate = func(knob.Settings) float64 { return 1e-3 }
	w.ms = func(s knob.Settings) float64 { return 10 * w.service(s) }
	return p, points, w
}

// If the limit is below the time of a batch of one, no setting and no rate can keep it, and one
// test is enough to confirm it.
func TestUnreachableLimit(t *testing.T) {
	for _, tt := range []struct {
		strategy string
		question plan.Question
		trials   int
	}{
		{"auto", plan.Capacity, 1},
		{"climb", plan.Capacity, 1},
		{"grid", plan.Capacity, 20}, // one for each point
		{"auto", plan.Throughput, 1},
	} {
		p, points, w := unreachable()
		p.Strategy, p.Question = tt.strategy, tt.question
		if tt.question == plan.Capacity {
			points, _ = p.Points(knob.Limits{Cores: 4, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
		}
		h, s := runToEnd(t, p, points, w)
		why := s.Impossible()
		if len(h.Trials) != tt.trials || len(h.Probes) != 2 || s.Untried() != 0 || !strings.Contains(why, "a batch of 1 alone takes 10.0 ms, above 5ms") {
			t.Errorf("%s, %v: %d probes, %d trials, %d untried, impossible: %q",
				tt.strategy, tt.question, len(h.Probes), len(h.Trials), s.Untried(), why)
		}
		for _, x := range h.Trials {
			if tt.question == plan.Capacity && x.Load.Rate < 5 {
				t.Errorf("%s: a trial at %g/s has hardly an answer", tt.strategy, x.Load.Rate)
			}
		}
	}
}

// A run within the limit disproves the probes, which may have been slow because of other programs.
func TestUnreachableLimitDisproved(t *testing.T) {
	p, points, w := unreachable()
	w.ms = func(s knob.Settings) float64 { return 5 - float64(s.BatchSize)/10 }
	w.rate = func(s knob.Settings) float64 { return float64(100 * s.BatchSize) }
	h, s := runToEnd(t, p, points, w)
	if s.Impossible() != "" || len(h.Trials) < 2 || bestOf(t, p, h).Verdict.Result != trial.Pass {
		t.Errorf("%d trials, impossible: %q", len(h.Trials), s.Impossible())
	}
}

// After a trial with too few answers for a verdict no lower rate is tried, which would have even
// fewer.
func TestNoLowerRateWithoutAnswers(t *testing.T) {
	p, _, w := defaultProblem()
	p.Question = plan.Capacity
	points, _ := p.Points(knob.Limits{Cores: 4, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
	w.noPercentile = true
	h, s := runToEnd(t, p, points, w)
	seen := map[knob.Settings]int{}
	for _, x := range h.Trials {
		if seen[x.Settings]++; seen[x.Settings] > 1 {
			t.Errorf("%v: again at %g/s", x.Settings, x.Load.Rate)
		}
	}
	if s.Impossible() != "" {
		t.Error(s.Impossible())
	}
}
