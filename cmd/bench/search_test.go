package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

func TestSearch(t *testing.T) {
	got, _ := figureLines(t, "search")
	want := []string{
		"search.regret.median.auto", "search.regret.p90.auto", "search.regret.median.auto-hard", "search.regret.p90.auto-hard",
		"search.tests.auto", "search.tests.median.auto", "search.trials.auto", "search.probes.auto", "search.over.auto",
		"search.error.median.auto", "search.error.p90.auto",
		"search.regret.median.random8", "search.regret.p90.random8", "search.regret.median.tpe8", "search.regret.p90.tpe8",
		"search.regret.median.hill8", "search.regret.p90.hill8", "search.promise.kept", "search.promise.validated",
	}
	got = slices.DeleteFunc(got, func(name string) bool { return len(name) > 14 && name[:14] == "search.replay." })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

// smallSpace returns the space of the tiny budget, with a second delay unless the test is short.
func smallSpace() space {
	s := tiny.search().space
	if !testing.Short() {
		s.delays = []int{0, 5}
	}
	return s
}

// TestProblem: at its true highest rate the best setting keeps the promise, at a slightly higher
// rate it does not, and no other setting has a higher rate.
func TestProblem(t *testing.T) {
	for _, hard := range []difficulty{plainProblem, kinkProblem, driftProblem, wakeUpProblem} {
		p, err := drawProblem(smallSpace(), 20_000, 7, hard)
		if err != nil {
			t.Fatal(err)
		}
		keeps := func(s knob.Settings, rate float64) bool {
			c := p.config(s)
			c.Plan = load.Plan(load.Spec{Mode: load.Open, Rate: rate}, p.seed, math.MaxInt64, p.exactRequests)
			sim := predict.New(c)
			sim.Run()
			return sim.Refused() == 0 && sim.Quantile(.99) <= float64(p.sla.Limit)/1e6
		}
		best := 0.0
		for _, s := range p.settings() {
			best = max(best, p.highestRate(s))
			if r := p.highestRate(s); r == p.bestRate && (!keeps(s, .99*r) || keeps(s, 1.03*r)) {
				t.Errorf("%v: %v: %.1f/s is not the highest load", hard, s, r)
			}
			if got, want := p.regret(s), 1-p.highestRate(s)/p.bestRate; math.Abs(got-want) > 1e-9 {
				t.Errorf("%v: regret %v, want %v", hard, got, want)
			}
		}
		if best != p.bestRate {
			t.Errorf("%v: best %.2f/s, a setting has %.2f/s", hard, p.bestRate, best)
		}
		if hard == wakeUpProblem && p.wake <= serverWake || hard == driftProblem && p.driftAmplitude == 0 {
			t.Errorf("%v: wake %v, swing %v", hard, p.wake, p.driftAmplitude)
		}
	}
}

// TestSpace: the points of a plan are the settings of the space.
func TestSpace(t *testing.T) {
	p := &problem{space: fullSpace(), sla: trial.SLA{Percentile: 99, Limit: 1e8}}
	got := p.plan("auto")
	base := spaceSettings(1, 1, 0, knob.FullPrecision)
	points, skipped := got.Points(knob.Limits{BatchAxis: true}, base, nil)
	want := fullSpace().settings()
	if len(points) != len(want) || len(skipped) != 0 {
		t.Fatalf("%d points, %d skipped; want %d", len(points), len(skipped), len(want))
	}
	for _, pt := range points {
		if !slices.Contains(want, pt.Settings) {
			t.Errorf("%v is not in the space", pt.Settings)
		}
	}
}

// TestSearchDeterministic: the same seed gives the same results.
func TestSearchDeterministic(t *testing.T) {
	b := tiny.search()
	b.space, b.baselines = smallSpace(), allBaselines(t)
	var first solution
	for run := range 2 {
		all, err := solveAll(t.Context(), 3, b, 1, func(int) difficulty { return driftProblem })
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first = all[0]
			continue
		}
		if diff := cmp.Diff(first.results, all[0].results, cmp.AllowUnexported(searchResult{})); diff != "" {
			t.Errorf("the same search again (-first +second):\n%s", diff)
		}
		if diff := cmp.Diff(first.baselineRegrets, all[0].baselineRegrets); diff != "" {
			t.Errorf("the same baselines again (-first +second):\n%s", diff)
		}
	}
}

// TestBaselines: with a load test for every setting a baseline finds almost the best, and no
// baseline makes more tests than allowed.
func TestBaselines(t *testing.T) {
	p, err := drawProblem(smallSpace(), 20_000, 7, plainProblem)
	if err != nil {
		t.Fatal(err)
	}
	b := tiny.search()
	b.maxTests, b.maxRequests = len(p.settings()), 10_000
	all := allBaselines(t)
	for _, r := range all {
		at, err := searchWithBaseline(t.Context(), p, r, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := at[60]; r.name == "random" && got > .15 || got < 0 || got > 1 {
			t.Errorf("%s: regret %.3f after every setting", r.name, got)
		}
	}
	asked := 0
	for _, r := range all {
		asked = 0
		seen := map[knob.Settings]bool{}
		err := r.run(t.Context(), p, func(s knob.Settings) (float64, bool) {
			seen[s] = true
			asked = len(seen)
			return float64(s.BatchSize), asked < 3
		})
		if err != nil || asked > 3 {
			t.Errorf("%s: %d load tests where 3 were allowed, %v", r.name, asked, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	for _, r := range all {
		if _, err := searchWithBaseline(ctx, p, r, b); !errors.Is(err, gone) {
			t.Errorf("%s: after the context's end: %v", r.name, err)
		}
	}
}

// TestDrift: the speed of a device with a drift changes by its amplitude.
func TestDrift(t *testing.T) {
	p := &problem{space: smallSpace(), seed: 1, driftAmplitude: .2, wake: 0}
	var rows []servicetime.Row
	for _, w := range p.workers {
		rows = append(rows, servicetime.Row{Key: servicetime.Key{Workers: w, Device: "cpu", Precision: "fp32"}, Batch: 1, Median: 1e7})
	}
	var err error
	if p.table, err = servicetime.New(rows); err != nil {
		t.Fatal(err)
	}
	d, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	tr := &loadTester{ctx: t.Context(), device: d}
	least, most := math.Inf(1), 0.0
	for range driftPeriod {
		rate, _, err := tr.measure(load.Spec{Mode: load.Closed, Concurrency: 2}, 200, neverStop)
		if err != nil {
			t.Fatal(err)
		}
		least, most = min(least, rate), max(most, rate)
	}
	if math.Abs(least/(100/1.2)-1) > .03 || math.Abs(most/(100/.8)-1) > .03 {
		t.Errorf("rates from %.1f to %.1f/s, want 83 to 125", least, most)
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	if got := [3]float64{quantile(v, .5), quantile(v, .9), quantile(v, 0)}; got != [3]float64{3, 5, 1} {
		t.Errorf("median, p90 and least of 1-5: %v", got)
	}
	if !math.IsNaN(quantile(nil, .5)) {
		t.Error("the median of nothing is something")
	}
}
