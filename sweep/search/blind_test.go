package search_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// foreign is a server with two knobs of its own, the values of which are given: it
// does most with many instances and batches of 8, under a limit that it always keeps.
func foreign(t *testing.T, q plan.Question, instances, batches string) (plan.Plan, []plan.Point, world) {
	t.Helper()
	p := plan.Default()
	p.Target, p.Question = "http://box:1", q
	p.Knobs = map[knob.Name]string{"instances": instances, "max_batch_size": batches}
	l := knob.Limits{Cores: 4, BatchAxis: true, Own: []knob.Knob{{Name: "instances", Min: 1, Max: 64}, {Name: "max_batch_size", Min: 1, Max: 64}}}
	p, err := p.Resolve(l)
	if err != nil {
		t.Fatal(err)
	}
	points, _ := p.Points(l, knob.Default(knob.TorchServe), nil)
	value := func(s knob.Settings, n knob.Name) float64 {
		v, err := strconv.ParseFloat(s.Get(n), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	rate := func(s knob.Settings) float64 {
		return 100 * value(s, "instances") * math.Exp(-math.Abs(math.Log2(value(s, "max_batch_size")/8))/2)
	}
	return p, points, world{rate: rate, ms: func(knob.Settings) float64 { return 20 }, service: func(knob.Settings) float64 { return math.NaN() }}
}

// TestOwnKnobsAreNotPredicted: no strategy probes what nobody can predict, none takes
// two points for one that differ in the target's own knobs, and all find the best.
func TestOwnKnobsAreNotPredicted(t *testing.T) {
	for _, strategy := range search.Available() {
		for _, question := range []plan.Question{plan.Throughput, plan.Capacity} {
			for _, c := range []struct{ instances, batches string }{{"1,2", "1,8"}, {"1-4", "1-32*2"}} {
				t.Run(fmt.Sprint(strategy, " ", question, " ", c.instances), func(t *testing.T) {
					p, points, w := foreign(t, question, c.instances, c.batches)
					p.Strategy = strategy
					p.Budget.LoadTests = len(points)
					h := play(t, p, points, w)
					if len(h.Probes) > 0 {
						t.Errorf("%d probes", len(h.Probes))
					}
					best := bestOf(t, p, h)
					most := "instances=2 max_batch_size=8"
					if len(points) > 4 {
						most = "instances=4 max_batch_size=8"
					}
					if string(best.Settings.Own) != most {
						t.Errorf("best is %v of %d trials, want %s", best.Settings, len(h.Trials), most)
					}
					seen := map[knob.Settings]int{}
					for _, r := range h.Trials {
						seen[r.Settings]++
					}
					if question == plan.Throughput && len(seen) != len(h.Trials) {
						t.Errorf("%d trials of %d settings", len(h.Trials), len(seen))
					}
				})
			}
		}
	}
}

// TestAutoSaysThatItIsBlind: its outline and its last words say that it predicts
// nothing, and why.
func TestAutoSaysThatItIsBlind(t *testing.T) {
	const why = "nothing is predicted, as no simulator knows what the target's own knobs do (instances, max_batch_size)"
	for _, c := range []struct {
		batches string
		outline string
		ended   string
	}{
		{"1,8", "auto: " + why + ": all points in this order, the load tests are enough for them", ""},
		{"1-32*2", "no knob helps; " + why, "one knob at a time: " + why + "."},
	} {
		p, points, w := foreign(t, plan.Throughput, "1-4", c.batches)
		p.Strategy = "auto"
		settled, err := search.Settle(p)
		if err != nil {
			t.Fatal(err)
		}
		s, err := search.New(settled, points, trial.AllMetrics())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.Outline(), "\n"); !strings.Contains(got, c.outline) {
			t.Errorf("outline:\n%s\nwant %s", got, c.outline)
		}
		h, ended := playOut(t, p, points, w)
		if got := ended.Ended(); !strings.Contains(got, c.ended) || (c.ended == "") != (got == "") {
			t.Errorf("ended: %q, want %q", got, c.ended)
		}
		if len(h.Trials) > 8 {
			t.Errorf("%d trials, the load tests are 8", len(h.Trials))
		}
	}
}

// A server that tells no times of batches is not probed, whatever its knobs are.
func TestUntoldServiceTimes(t *testing.T) {
	p, points, w := plain()
	p.Strategy = "auto"
	settled, err := search.Settle(p)
	if err != nil {
		t.Fatal(err)
	}
	s, err := search.New(settled, points, trial.MetricSet{ModelLatency: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Outline(), func(l string) bool {
		return strings.Contains(l, "the target does not tell the times and sizes of its batches")
	}) {
		t.Errorf("outline %q", s.Outline())
	}
	var h trial.History
	for {
		x, more := s.Next(h)
		if !more {
			break
		}
		if x.Role == trial.RoleProbe {
			t.Fatalf("a probe: %v", x)
		}
		h.Trials = append(h.Trials, w.trial(settled, x, len(h.Trials)+1))
	}
	if len(h.Trials) == 0 || len(h.Trials) > 8 {
		t.Errorf("%d trials", len(h.Trials))
	}
}

// One own knob at one value is part of the server, and hinders no prediction.
func TestOneOwnValueIsPredicted(t *testing.T) {
	p, points, w := plain()
	for i := range points {
		points[i].Settings.Own = "instances=2"
	}
	if h := play(t, p, points, w); len(h.Probes) == 0 {
		t.Error("no probes, though all points have the same values")
	}
}
