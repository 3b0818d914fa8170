package search_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// remoteServer returns a server with two knobs of its own and a plan over the given values. It has
// the highest throughput with many instances and batches of 8. Every setting meets the limit.
func remoteServer(t *testing.T, q plan.Question, instances, batches string) (plan.Plan, []plan.Point, fakeServer) {
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
	return p, points, fakeServer{rate: rate, ms: func(knob.Settings) float64 { return 20 }, service: func(knob.Settings) float64 { return math.NaN() }}
}

// TestOwnKnobsAreNotPredicted: if the points differ in the target's own knobs, no strategy probes
// service times, points that differ only in these knobs are different points, and all strategies find the
// best one.
func TestOwnKnobsAreNotPredicted(t *testing.T) {
	for _, strategy := range search.Available() {
		for _, question := range []plan.Question{plan.Throughput, plan.Capacity} {
			for _, c := range []struct{ instances, batches string }{{"1,2", "1,8"}, {"1-4", "1-32*2"}} {
				if testing.Short() && strategy != "auto" && question == plan.Capacity && c.instances == "1-4" {
					continue
				}
				t.Run(fmt.Sprint(strategy, " ", question, " ", c.instances), func(t *testing.T) {
					p, points, w := remoteServer(t, question, c.instances, c.batches)
					p.Strategy = strategy
					p.Budget.LoadTests = len(points)
					h := runAll(t, p, points, w)
					for _, x := range h.Probes {
						if question == plan.Throughput || x.Clients == 0 {
							t.Errorf("a probe of a service time: %+v", x)
						}
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

// TestAutoExplainsMissingPredictions: the outline and the reason at the end say that nothing is
// predicted, and why.
func TestAutoExplainsMissingPredictions(t *testing.T) {
	const why = "nothing is predicted, because the simulator does not know the effect of the target's own knobs (instances, max_batch_size)"
	for _, c := range []struct {
		batches string
		outline string
		ended   string
	}{
		{"1,8", "auto: " + why + ": all points in this order, the load tests are enough for them", ""},
		{"1-32*2", "auto without probes, because the simulator does not know the effect of the target's own knobs (instances, max_batch_size)", "load tests of 24 points, the others were predicted from them"},
	} {
		p, points, w := remoteServer(t, plan.Throughput, "1-4", c.batches)
		p.Strategy = "auto"
		completed, err := search.Complete(p)
		if err != nil {
			t.Fatal(err)
		}
		s, err := search.New(completed, points, trial.AllMetrics())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.Outline(), "\n"); !strings.Contains(got, c.outline) {
			t.Errorf("outline:\n%s\nwant %s", got, c.outline)
		}
		h, ended := runToEnd(t, p, points, w)
		if got := ended.Ended(); !strings.Contains(got, c.ended) || (c.ended == "") != (got == "") {
			t.Errorf("end reason %q, want %q", got, c.ended)
		}
		if len(h.Trials) > 12 {
			t.Errorf("%d trials, the load tests are 12", len(h.Trials))
		}
	}
}

// A server that does not report service times is not probed.
func TestNoProbesWithoutServiceTimes(t *testing.T) {
	p, points, w := defaultProblem()
	p.Strategy = "auto"
	completed, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	s, err := search.New(completed, points, trial.MetricSet{ModelLatency: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Outline(), func(l string) bool {
		return strings.Contains(l, "the target does not report the times and sizes of its batches")
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
			t.Fatalf("it made a probe: %v", x)
		}
		h.Trials = append(h.Trials, w.trial(completed, x, len(h.Trials)+1))
	}
	if len(h.Trials) == 0 || len(h.Trials) > 8 {
		t.Errorf("%d trials", len(h.Trials))
	}
}

// If all points have the same value of the target's own knobs, predictions are possible.
func TestOneOwnValueIsPredicted(t *testing.T) {
	p, points, w := defaultProblem()
	for i := range points {
		points[i].Settings.Own = "instances=2"
	}
	if h := runAll(t, p, points, w); len(h.Probes) == 0 {
		t.Error("no probes, though all points have the same values")
	}
}

// TestUnreportedIsNotPredicted: nothing is predicted for a target that does not report its batching
// rule or a knob that the simulator needs, although it reports the times of its batches.
func TestUnreportedIsNotPredicted(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*plan.Plan, *knob.Settings)
	}{
		{"the target does not report its batching rule", func(p *plan.Plan, _ *knob.Settings) { p.Options.Rule = knob.RuleUnreported }},
		{"the target does not report its workers", func(_ *plan.Plan, s *knob.Settings) { s.Workers = 0 }},
		{"the target does not report its batch_delay_ms", func(_ *plan.Plan, s *knob.Settings) { s.BatchDelay = knob.DelayUnreported }},
	} {
		p := plan.Default()
		p.Strategy = "auto"
		s := knob.Default(knob.TorchServe)
		c.change(&p, &s)
		p, err := search.Complete(p)
		if err != nil {
			t.Fatal(err)
		}
		strategy, err := search.New(p, []plan.Point{{Settings: s, Load: p.Loads[0], Role: trial.RoleLoad}}, trial.AllMetrics())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strategy.Outline(), "\n"); !strings.Contains(got, "nothing is predicted, because "+c.want) {
			t.Errorf("outline:\n%s\nwant %s", got, c.want)
		}
		if first, more := strategy.Next(trial.History{}); !more || first.Role == trial.RoleProbe {
			t.Errorf("%s: the first point is %+v", c.want, first)
		}
	}
}

// TestAdviceWithoutKnobs: advice does not name values that the server does not report.
func TestAdviceWithoutKnobs(t *testing.T) {
	refused := trial.Trial{N: 1, Load: load.Spec{Concurrency: 20}, Settings: knob.Settings{Own: "instances=1"}}
	refused.Counts = trial.Counts{Sent: 100, OK: 50, Refused: 50}
	refused.Verdict = trial.Verdict{Result: trial.Fail, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(50), ErrorRate: trial.NumOf(.5)}
	sla := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
	if got := search.ExplainNone([]trial.Trial{refused}, sla); strings.Contains(got, "queue of 0") || !strings.Contains(got, "a longer queue, more workers or less load refuse fewer") {
		t.Errorf("refused requests: %s", got)
	}
	slow := trial.Trial{N: 1, Load: load.Spec{Concurrency: 20}, Settings: knob.Settings{Own: "instances=1"}}
	slow.Counts = trial.Counts{Sent: 100, OK: 100}
	slow.Throughput.Value, slow.Verdict = trial.NumOf(50), trial.Verdict{Result: trial.Fail, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(500)}
	if got := search.ExplainNone([]trial.Trial{slow}, sla); !strings.Contains(got, "with fewer clients") || strings.Contains(got, "matched") {
		t.Errorf("too many clients: %s", got)
	}
}

// TestClimbWords: the climb finds the best word although the word beside the first one is worse, because the order of words means nothing.
func TestClimbWords(t *testing.T) {
	p := plan.Default()
	p.Target, p.Strategy = "http://box:1", "climb"
	p.Knobs = map[knob.Name]string{"mode": "a,b,c,d", "instances": "1-2"}
	l := knob.Limits{Cores: 4, BatchAxis: true, Own: []knob.Knob{{Name: "instances", Min: 1, Max: 2}, {Name: "mode", Values: []string{"a", "b", "c", "d"}}}}
	p, err := p.Resolve(l)
	if err != nil {
		t.Fatal(err)
	}
	points, _ := p.Points(l, knob.Default(knob.TorchServe), nil)
	rates := map[string]float64{"a": 100, "b": 50, "c": 400, "d": 60}
	w := fakeServer{
		rate: func(s knob.Settings) float64 { return rates[s.Get("mode")] }, ms: func(knob.Settings) float64 { return 20 },
		service: func(knob.Settings) float64 { return math.NaN() },
	}
	p.Budget.LoadTests = len(points)
	h := runAll(t, p, points, w)
	if best := bestOf(t, p, h); best.Settings.Get("mode") != "c" {
		t.Errorf("best %v, want mode c", best.Settings)
	}
}
