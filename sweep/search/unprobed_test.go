package search_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// unknownServer is a server that reports nothing but answers: a simulated one with three knobs.
type unknownServer struct {
	plan   plan.Plan
	points []plan.Point
	rate   map[knob.Settings]float64 // requests/s
	ms     map[knob.Settings]float64 // of the percentile
	errors map[knob.Settings]bool    // it does not start
	noise  *rand.Rand
}

// kind is a kind of unknownServer.
type kind struct {
	name  string
	third knob.Knob // its third knob
	text  string    // of the third knob in the plan
	quick float64   // limit of the promise, as a multiple of the time of a batch of 1
}

var kinds = []kind{
	{"delay", knob.Knob{Name: "wait", Min: 0, Max: 100}, "0,2,10", 0},
	{"word", knob.Knob{Name: "mode", Values: []string{"a", "b", "c"}}, "a,b,c", 0},
	{"threads", knob.Knob{Name: "intra", Min: 1, Max: 16}, "1,2,4", 0},
	{"none passes", knob.Knob{Name: "wait", Min: 0, Max: 100}, "0,2,10", .5},
}

// newUnknownServer returns a random server with 72 settings.
func newUnknownServer(seed uint64, k kind) unknownServer {
	r := rand.New(rand.NewPCG(seed, 17))
	between := func(a, b float64) float64 { return a * math.Pow(b/a, r.Float64()) }
	p := plan.Default()
	p.Target, p.Strategy, p.Seed = "http://box:1", "auto", seed
	p.Knobs = map[knob.Name]string{"replicas": "1-4", "size": "1-32*2", k.third.Name: k.text}
	p.Loads = []load.Spec{{Mode: load.Closed, Concurrency: 8 + r.IntN(56)}}
	l := knob.Limits{Own: []knob.Knob{{Name: "replicas", Min: 1, Max: 64}, {Name: "size", Min: 1, Max: 64}, k.third}}
	p, err := p.Resolve(l)
	if err != nil {
		panic(err)
	}
	s := unknownServer{
		plan: p, rate: map[knob.Settings]float64{}, ms: map[knob.Settings]float64{}, errors: map[knob.Settings]bool{},
		noise: rand.New(rand.NewPCG(seed, 18)),
	}
	s.points, _ = p.Points(l, knob.Default(knob.TorchServe), nil)
	base, each, own := between(1, 20), between(.05, 2), between(.02, .5)
	cores, disturb := between(1.5, 10), between(.02, .5)
	kinkAt, kink := 4<<r.IntN(3), between(.75, 1.35)
	parallel := between(.3, .95)
	modes := map[string][2]float64{"a": {1, 1}, "b": {between(.5, 2), between(.5, 2)}, "c": {between(.5, 2), between(.5, 2)}}
	clients := p.Loads[0].Concurrency
	for _, x := range s.points {
		get := func(n knob.Name) float64 { var v float64; fmt.Sscan(x.Settings.Get(n), &v); return v }
		w := get("replicas")
		threads, delay, mode := 1., 0., [2]float64{1, 1}
		switch k.third.Name {
		case "wait":
			delay = get("wait")
		case "intra":
			threads = get("intra")
		case "mode":
			mode = modes[x.Settings.Get("mode")]
		}
		slower := 1 + disturb*(w-1)
		if over := w * threads / cores; over > 1 {
			slower *= over
		}
		speed := 1 - parallel + parallel/threads
		var table []servicetime.Row
		for b := 1; b <= 32; b *= 2 {
			ms := (base*mode[0] + each*mode[1]*float64(b)) * slower * speed
			if b >= kinkAt {
				ms *= kink
			}
			ms += own * float64(b) * w // of each request, one after the other in the front end
			table = append(table, servicetime.Row{Key: servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"}, Batch: b, Median: time.Duration(ms * 1e6), Spread: .05})
		}
		t, err := servicetime.New(table)
		if err != nil {
			panic(err)
		}
		curve, err := t.Curve(servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"})
		if err != nil {
			panic(err)
		}
		at := knob.Default(knob.TorchServe)
		at.Workers, at.BatchSize, at.BatchDelay, at.QueueSize = int(w), int(get("size")), time.Duration(delay*1e6), 1000
		sim := predict.New(predict.Config{Settings: at, Service: curve, Clients: clients, Requests: 1000, Seed: 5})
		sim.Run()
		s.rate[x.Settings], s.ms[x.Settings] = float64(len(sim.Latencies()))/sim.Now().Seconds(), sim.Quantile(.99)
	}
	limits := make([]float64, 0, len(s.points))
	for _, v := range s.ms {
		limits = append(limits, v)
	}
	slices.Sort(limits)
	limit := limits[int(between(.1, .9)*float64(len(limits)))] * 1.01
	if k.quick > 0 {
		limit = limits[0] * k.quick
	}
	s.plan.SLA.Limit = time.Duration(limit * 1e6)
	return s
}

// measure returns a trial with noise.
func (s unknownServer) measure(x plan.Point, n int) trial.Trial {
	out := trial.Trial{N: n, Role: x.Role, Reason: x.Reason, Settings: x.Settings, Load: x.Load, Predicted: x.Predicted}
	limit := float64(s.plan.SLA.Limit) / 1e6
	out.Verdict = trial.Verdict{Percentile: 99, LimitMS: limit, Result: trial.Undecided}
	if s.errors[x.Settings] {
		out.Error, out.Verdict.Result = "out of memory", trial.Fail
		return out
	}
	rate, ms := s.rate[x.Settings]*math.Exp(.015*s.noise.NormFloat64()), s.ms[x.Settings]*math.Exp(.02*s.noise.NormFloat64())
	around := func(v, share float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v * (1 - share)), High: trial.NumOf(v * (1 + share))}
	}
	out.Throughput = around(rate, .03)
	value := around(ms, .04)
	out.Verdict.ValueMS, out.Verdict.LowMS, out.Verdict.HighMS = value.Value, value.Low, value.High
	switch {
	case ms*1.04 <= limit:
		out.Verdict.Result = trial.Pass
	case ms*.96 > limit:
		out.Verdict.Result = trial.Fail
	}
	return out
}

// search runs a strategy, and returns the trials and 1 - throughput of the best / that of the best of all.
func (s unknownServer) search(t testing.TB, strategy string, tests int) (trial.History, search.Strategy, float64) {
	p := s.plan
	p.Strategy = strategy
	if tests > 0 {
		p.Budget.LoadTests = tests
	}
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	a, err := search.New(p, s.points, trial.MetricSet{})
	if err != nil {
		t.Fatal(err)
	}
	var h trial.History
	for {
		x, more := a.Next(h)
		if !more {
			break
		}
		h.Trials = append(h.Trials, s.measure(x, len(h.Trials)+1))
	}
	return h, a, s.regret(h)
}

// random tests this number of random settings.
func (s unknownServer) random(tests int) float64 {
	var h trial.History
	for i, n := range rand.New(rand.NewPCG(s.plan.Seed, 19)).Perm(len(s.points))[:tests] {
		h.Trials = append(h.Trials, s.measure(s.points[n], i))
	}
	return s.regret(h)
}

func (s unknownServer) regret(h trial.History) float64 {
	limit := float64(s.plan.SLA.Limit) / 1e6
	best := 0.
	for _, x := range s.points {
		if s.ms[x.Settings] <= .95*limit {
			best = max(best, s.rate[x.Settings])
		}
	}
	if best == 0 {
		return 0
	}
	row, ok := rank.New(rank.RulesOf(s.plan), h.Trials).Best()
	if !ok || !rank.RulesOf(s.plan).Meets(row.Joined) {
		return 1
	}
	return 1 - s.rate[row.Joined.Settings]/best
}

// figures are the results of many problems.
type figures struct{ regrets, tests []float64 }

func (f *figures) add(regret float64, tests int) {
	f.regrets, f.tests = append(f.regrets, regret), append(f.tests, float64(tests))
}

// at returns a quantile.
func at(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[int(q*float64(len(v)))]
}

// within returns the share of problems with at most this regret.
func (f *figures) within(regret float64) float64 {
	n := 0.
	for _, r := range f.regrets {
		if r <= regret {
			n++
		}
	}
	return n / float64(len(f.regrets))
}

func (f *figures) String() string {
	return fmt.Sprintf("regret median %.1f%%, P90 %.1f%%, at most 5%% in %.0f%%, %.0f tests", 100*at(f.regrets, .5), 100*at(f.regrets, .9), 100*f.within(.05), at(f.tests, .5))
}

// TestUnprobedFindsTheBest: after at most 12 of 72 settings the choice of auto is within 5% of the best of all, usually,
// and far better than that of climb or of random settings after as many tests.
func TestUnprobedFindsTheBest(t *testing.T) {
	problems := uint64(50)
	if testing.Short() {
		problems = 1
	}
	for i, k := range kinds[:3] {
		if i > 0 && testing.Short() {
			return
		}
		t.Run(k.name, func(t *testing.T) {
			var auto, climb, random figures
			for seed := range problems {
				h, _, regret := newUnknownServer(seed, k).search(t, "auto", 0)
				if auto.add(regret, len(h.Trials)); len(h.Trials) > 12 {
					t.Errorf("seed %d: %d tests", seed, len(h.Trials))
				}
				if testing.Short() {
					continue
				}
				s := newUnknownServer(seed, k)
				h, _, regret = s.search(t, "climb", 12)
				climb.add(regret, len(h.Trials))
				random.add(s.random(12), 12)
			}
			if testing.Short() {
				return
			}
			t.Logf("auto %v; climb %v; random %v", &auto, &climb, &random)
			if at(auto.regrets, .5) > .01 || at(auto.regrets, .9) > .15 || auto.within(.05) < .7 {
				t.Errorf("auto %v", &auto)
			}
			if at(auto.regrets, .9) > at(random.regrets, .9) || auto.within(.05) < climb.within(.05) || auto.within(.05) < random.within(.05) {
				t.Errorf("auto %v; climb %v; random %v", &auto, &climb, &random)
			}
		})
	}
}

// TestUnprobedNonePasses: without a setting that keeps the promise the search ends, chooses none, and does not claim that
// there is none.
func TestUnprobedNonePasses(t *testing.T) {
	s := newUnknownServer(1, kinds[3])
	h, a, _ := s.search(t, "auto", 0)
	if row, ok := rank.New(rank.RulesOf(s.plan), h.Trials).Best(); ok && rank.RulesOf(s.plan).Meets(row.Joined) {
		t.Errorf("the best is %v", row.Joined.Settings)
	}
	if len(h.Trials) > 12 || a.Untried() != len(s.points)-len(h.Trials) || !strings.Contains(a.Ended(), "keeps the promise with a chance of at most") {
		t.Errorf("%d tests, %d untried, %s", len(h.Trials), a.Untried(), a.Ended())
	}
}

// TestUnprobedFailures: settings that do not start teach the search to stay away from them.
func TestUnprobedFailures(t *testing.T) {
	s := newUnknownServer(3, kinds[0])
	s.plan.SLA.Limit = time.Hour
	for _, x := range s.points {
		if x.Settings.Get("replicas") >= "3" {
			s.errors[x.Settings], s.rate[x.Settings] = true, 0
		}
	}
	h, _, regret := s.search(t, "auto", 0)
	failed := 0
	for _, x := range h.Trials {
		if x.Error != "" {
			failed++
		}
	}
	t.Logf("%d of %d tests failed, regret %.3f", failed, len(h.Trials), regret)
	if failed == 0 || failed > len(h.Trials)/2 || regret > .05 {
		t.Errorf("%d of %d tests failed, regret %.3f", failed, len(h.Trials), regret)
	}
}

// TestUnprobedResumes: the next point depends on the history alone, so that a resumed sweep goes on as it would have.
func TestUnprobedResumes(t *testing.T) {
	s := newUnknownServer(2, kinds[1])
	h, a, _ := s.search(t, "auto", 0)
	p, err := search.Complete(s.plan)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n <= len(h.Trials); n += 5 {
		again, err := search.New(p, s.points, trial.MetricSet{})
		if err != nil {
			t.Fatal(err)
		}
		next, more := again.Next(trial.History{Trials: h.Trials[:n]})
		if more != (n < len(h.Trials)) || more && (next.Settings != h.Trials[n].Settings || next.Reason != h.Trials[n].Reason) {
			t.Errorf("after %d trials: %v, %s", n, next.Settings, next.Reason)
		}
	}
	if !strings.Contains(a.Ended(), "the others were predicted from them") {
		t.Errorf("ended: %s", a.Ended())
	}
	all := a.(search.Predictor).Predictions(h)
	if len(all) != len(s.points) {
		t.Fatalf("%d predictions of %d points", len(all), len(s.points))
	}
	inside := 0
	for _, x := range all {
		if v := s.rate[x.Settings]; x.Throughput.Low.Or(0) <= v && v <= x.Throughput.High.Or(0) {
			inside++
		}
	}
	if inside < len(all)*3/4 {
		t.Errorf("%d of %d throughputs are in the intervals of the predictions", inside, len(all))
	}
}

// TestUnprobedCapacity: the highest rate of the settings of a server that reports nothing.
func TestUnprobedCapacity(t *testing.T) {
	if testing.Short() {
		t.Skip("TestOwnKnobsAreNotPredicted has a small one")
	}
	p, points, w := remoteServer(t, plan.Capacity, "1-8", "1-32*2")
	p.Strategy = "auto"
	h, a := runToEnd(t, p, points, w)
	if best := bestOf(t, p, h); best.Settings.Own != "instances=8 max_batch_size=8" {
		t.Errorf("best %v of %d trials; %s", best.Settings, len(h.Trials), a.Ended())
	}
}
