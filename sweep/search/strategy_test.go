package search_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// fakeServer measures for a strategy, without a sweep: functions return the results of settings.
type fakeServer struct {
	rate         func(knob.Settings) float64 // requests/s
	ms           func(knob.Settings) float64 // the percentile; for question capacity it is the limit at the highest rate
	rss          func(knob.Settings) float64
	service      func(knob.Settings) float64 // ms of a batch; NaN if it cannot be probed
	noPercentile bool                        // trials have too few answers for a percentile
}

// runAll runs a strategy to its end and returns the history.
func runAll(t *testing.T, p plan.Plan, points []plan.Point, w fakeServer) trial.History {
	t.Helper()
	h, _ := runToEnd(t, p, points, w)
	return h
}

// runToEnd runs a strategy to its end and returns it too.
func runToEnd(t *testing.T, p plan.Plan, points []plan.Point, w fakeServer) (trial.History, search.Strategy) {
	t.Helper()
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	s, err := search.New(p, points, trial.AllMetrics())
	if err != nil {
		t.Fatal(err)
	}
	var h trial.History
	for n := 1; ; n++ {
		x, more := s.Next(h)
		if !more {
			return h, s
		}
		if n > 500 {
			t.Fatalf("no end: %v", x)
		}
		if x.Role == trial.RoleProbe {
			h.Probes = append(h.Probes, w.probe(x, n))
			continue
		}
		h.Trials = append(h.Trials, w.trial(p, x, len(h.Trials)+1))
	}
}

func (w fakeServer) probe(x plan.Point, n int) trial.Probe {
	if c := x.Load.Concurrency; c > 0 {
		return trial.Probe{N: n, Settings: x.Settings, Clients: c, Throughput: trial.NumOf(w.rate(x.Settings))}
	}
	ms := trial.NumOf(w.service(x.Settings))
	p := trial.Probe{N: n, Settings: x.Settings, BatchSize: x.Settings.BatchSize, Runs: 16, ServiceTime: trial.ServiceTime{Median: ms, Low: ms, High: ms, Fastest: ms}}
	if !ms.OK() {
		p.Error = "it reports no times"
	}
	return p
}

func (w fakeServer) trial(p plan.Plan, x plan.Point, n int) trial.Trial {
	out := trial.Trial{N: n, Role: x.Role, Reason: x.Reason, Settings: x.Settings, Load: x.Load, Seed: uint64(n), Predicted: x.Predicted}
	limit := float64(p.SLA.Limit) / 1e6
	rate, ms := w.rate(x.Settings), 0.0
	if p.Question.SeeksRate() {
		ms = limit * math.Pow(x.Load.Rate/rate, 4)
		rate = x.Load.Rate
	} else {
		ms = w.ms(x.Settings)
	}
	out.Throughput = trial.Estimate{Value: trial.NumOf(rate), Low: trial.NumOf(rate * .99), High: trial.NumOf(rate * 1.01)}
	out.Seconds, out.WarmupSeconds, out.Counts.Sent = 2, .2, int(2*rate)
	out.Verdict = trial.Verdict{Result: trial.Fail, Percentile: 99, LimitMS: limit, ValueMS: trial.NumOf(ms), LowMS: trial.NumOf(ms * .98), HighMS: trial.NumOf(ms * 1.02)}
	if ms <= limit {
		out.Verdict.Result = trial.Pass
	}
	if w.noPercentile {
		out.Verdict.Result = trial.Undecided
		out.Verdict.ValueMS, out.Verdict.LowMS, out.Verdict.HighMS = trial.Num{}, trial.Num{}, trial.Num{}
	}
	if w.rss != nil {
		out.Use.RSSMB = trial.NumOf(w.rss(x.Settings))
	}
	return out
}

// defaultProblem returns a machine on which a batch takes 2 + b/2 ms with any number of workers up
// to 4, and a plan with 16 clients.
func defaultProblem() (plan.Plan, []plan.Point, fakeServer) {
	p := plan.Default()
	p.SLA.Limit = 40 * time.Millisecond
	p.Loads = []load.Spec{{Mode: load.Closed, Concurrency: 16}}
	p.Knobs = map[knob.Name]string{knob.Workers: "1-4", knob.BatchSize: "1-16*2", knob.BatchDelay: "1"}
	points, _ := p.Points(knob.Limits{Cores: 4, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
	service := func(s knob.Settings) float64 { return 2 + float64(s.BatchSize)/2 }
	rate := func(s knob.Settings) float64 {
		busy := min(s.Workers*s.BatchSize, 16)
		return float64(busy) / service(s) * 1000
	}
	ms := func(s knob.Settings) float64 { return 16 / rate(s) * 1000 }
	return p, points, fakeServer{rate: rate, ms: ms, service: service}
}

func bestOf(t *testing.T, p plan.Plan, h trial.History) trial.Trial {
	t.Helper()
	best, ok := rank.New(rank.RulesOf(p), h.Trials).Best()
	if !ok || !rank.RulesOf(p).Meets(best.Joined) {
		t.Fatalf("none of %d trials meets the promise", len(h.Trials))
	}
	return h.Trials[best.Representative]
}

// Without service times Auto predicts from its load tests.
func TestAutoWithoutProbes(t *testing.T) {
	p, points, w := defaultProblem()
	w.service = func(knob.Settings) float64 { return math.NaN() }
	h := runAll(t, p, points, w)
	if best := bestOf(t, p, h); best.Settings.BatchSize*best.Settings.Workers < 8 {
		t.Errorf("best is %v", best.Settings)
	}
	if h.Trials[0].Reason != "the middle of the space, to begin with" || len(h.Trials) > 8 {
		t.Errorf("%d trials, the first because %q", len(h.Trials), h.Trials[0].Reason)
	}
}

// A setting that breaks a constraint is not chosen, and no setting with more workers and larger
// batches is tried after it.
func TestAutoKeepsConstraints(t *testing.T) {
	p, points, w := defaultProblem()
	p.Constraints.MemoryMB = 500
	w.rss = func(s knob.Settings) float64 { return float64(200 * s.Workers) }
	h := runAll(t, p, points, w)
	if best := bestOf(t, p, h); best.Settings.Workers > 2 {
		t.Errorf("best is %v, which uses %s MB", best.Settings, best.Use.RSSMB.Text(0))
	}
	for i, a := range h.Trials {
		for _, b := range h.Trials[i+1:] {
			if a.Use.RSSMB.Or(0) > 500 && b.Settings.Workers >= a.Settings.Workers && b.Settings.BatchSize >= a.Settings.BatchSize {
				t.Errorf("%v was tried after %v had used too much", b.Settings, a.Settings)
			}
		}
	}
}

func TestAutoFewestWorkers(t *testing.T) {
	p, points, w := defaultProblem()
	p.Objective = plan.FewestWorkers
	if best := bestOf(t, p, runAll(t, p, points, w)); best.Settings.Workers != 1 {
		t.Errorf("best is %v", best.Settings)
	}
}

// An open load determines the throughput, so that the lower percentile is better.
func TestAutoUnderAnOpenLoad(t *testing.T) {
	p, _, w := defaultProblem()
	p.Loads = []load.Spec{{Mode: load.Open, Rate: 200}}
	points, _ := p.Points(knob.Limits{Cores: 4, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
	w.rate = func(knob.Settings) float64 { return 200 }
	w.ms = func(s knob.Settings) float64 { return 3 + 20/float64(s.Workers) + float64(s.BatchSize)/4 }
	best := bestOf(t, p, runAll(t, p, points, w))
	if best.Settings.Workers < 3 {
		t.Errorf("best is %v at %s ms", best.Settings, best.Verdict.ValueMS.Text(1))
	}
}

// A few points need no predictions: one probe measures the speed of the model.
func TestAutoTriesAllOfFewPoints(t *testing.T) {
	p, points, w := defaultProblem()
	h := runAll(t, p, points[:3], w)
	if len(h.Probes) != 1 || len(h.Trials) != 3 {
		t.Errorf("%d probes, %d trials", len(h.Probes), len(h.Trials))
	}
	p.Trial.Requests = 100
	if h := runAll(t, p, points[:3], w); len(h.Probes) != 0 || len(h.Trials) != 3 {
		t.Errorf("of a fixed length: %d probes, %d trials", len(h.Probes), len(h.Trials))
	}
}

// Of 8 load tests one repeats the best point, and two are far from it.
func TestAutoTestsFarPoints(t *testing.T) {
	p, points, w := defaultProblem()
	predicted := w.rate
	w.rate = func(s knob.Settings) float64 { // batches of 2 are faster than their probes
		if s.BatchSize == 2 {
			return 1.5 * predicted(s)
		}
		return predicted(s)
	}
	h := runAll(t, p, points, w)
	controls, far := 0, 0
	best := bestOf(t, p, h)
	for _, x := range h.Trials {
		switch {
		case x.Role == trial.RoleControl:
			controls++
		case x.Settings.BatchSize != best.Settings.BatchSize || x.Settings.Workers != best.Settings.Workers:
			far++
		}
	}
	if controls != 1 || far < 2 || len(h.Trials) > 8 {
		t.Errorf("%d trials, %d controls, %d far", len(h.Trials), controls, far)
	}
}

// If no point keeps the promise, Auto ends early and says that none may keep it.
func TestAutoGivesUp(t *testing.T) {
	p, points, w := defaultProblem()
	p.SLA.Limit = 2 * time.Millisecond
	completed, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	s, err := search.New(completed, points, trial.AllMetrics())
	if err != nil {
		t.Fatal(err)
	}
	var h trial.History
	for {
		x, more := s.Next(h)
		if !more {
			break
		}
		if x.Role == trial.RoleProbe {
			h.Probes = append(h.Probes, w.probe(x, 1))
		} else {
			h.Trials = append(h.Trials, w.trial(completed, x, len(h.Trials)+1))
		}
	}
	if s.Untried() != 0 || s.Left() != 0 || len(h.Trials) > 8 || !strings.Contains(s.Ended(), "0 of them may keep the promise") {
		t.Errorf("%d untried, %d left, %d trials: %s", s.Untried(), s.Left(), len(h.Trials), s.Ended())
	}
}

func TestOutlines(t *testing.T) {
	for _, q := range []plan.Question{plan.Throughput, plan.Capacity} {
		for _, name := range search.Available() {
			p, points, _ := defaultProblem()
			p.Strategy, p.Question = name, q
			completed, err := search.Complete(p)
			if err != nil {
				t.Fatal(err)
			}
			s, err := search.New(completed, points, trial.AllMetrics())
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(s.Outline(), "\n")
			if !strings.Contains(text, name+":") && name != "auto" || text == "" {
				t.Errorf("%s, %v: %s", name, q, text)
			}
			if probes := name == "auto" || q == plan.Capacity; probes != strings.Contains(text, "12 service times") {
				t.Errorf("%s, %v: %s", name, q, text)
			}
		}
	}
}

func TestAccuracy(t *testing.T) {
	at := func(w int, predicted, measured float64) trial.Trial {
		return trial.Trial{
			Role: trial.RoleLoad, Settings: knob.Settings{Workers: w},
			Predicted: &trial.Predicted{ThroughputRPS: trial.NumOf(predicted), ValueMS: trial.NumOf(10)},
			Result:    trial.Result{Throughput: trial.Estimate{Value: trial.NumOf(measured)}, Verdict: trial.Verdict{ValueMS: trial.NumOf(12.5)}},
		}
	}
	got := search.AccuracyOf([]trial.Trial{at(1, 1, 9), at(2, 110, 100), at(3, 99, 100), {Role: trial.RoleValidation}})
	want := search.Errors{N: 2, Median: .1, P90: .1}
	if diff := cmp.Diff(want, got.Throughput, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("throughput (-want +got):\n%s", diff)
	}
	if text := got.String(); !strings.HasPrefix(text, "against measured, 2 settings: throughput off by 10.0% in the median") || !strings.Contains(text, "percentile off by 20.0%") {
		t.Error(text)
	}
	if text := (search.Accuracy{}).String(); text != "" {
		t.Error(text)
	}
}
