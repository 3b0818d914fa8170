//go:build !race

package main

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/stat/stattest"
)

// Tests of arithmetic and of figures that take minutes under the race detector. make test runs them without it; those that
// change an engine under load, TestApply and TestSoak, run with it.

func TestInterval(t *testing.T) {
	want := []string{"interval.simulated"}
	for _, u := range []string{"u40", "u60", "u80", "eager-u80", "u90"} {
		for _, what := range []string{
			"settled.", "requests.settled-", "stopped.", "open.",
			"provisional.false-pass.", "provisional.false-fail.", "provisional.undecided.", "requests.verdict-",
			"long.false-pass.", "long.false-fail.", "long.undecided.",
		} {
			want = append(want, "interval."+what+u)
		}
	}
	want = append(want, "interval.false-pass.raw", "interval.false-pass.corrected", "interval.false-pass.fitted",
		"interval.selection.u60", "interval.selection.u80",
		"interval.overload.passes-2", "interval.overload.passes-5", "interval.keeps-up.70", "interval.keeps-up.90")
	for _, f := range stattest.Families() {
		for _, what := range []string{"provisional.false-pass.", "provisional.false-fail.", "provisional.undecided.", "long.false-pass.", "long.false-fail.", "long.undecided.", "settles."} {
			want = append(want, "interval."+what+f.Name)
		}
	}
	var got []string
	for line := range strings.Lines(measure(t, "interval")) {
		if f := strings.Fields(line); strings.HasPrefix(f[0], "interval.") && !settledFamily(f[0]) {
			got = append(got, f[0])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

// settledFamily reports whether a figure exists only if a run of a family settled.
func settledFamily(name string) bool {
	serverOf, ok := strings.CutPrefix(name, "interval.settled.")
	return ok && slices.ContainsFunc(stattest.Families(), func(f stattest.Family) bool { return f.Name == serverOf })
}

// The seed determines a trial, so the figures do not depend on the machine.
func TestTrialDeterministic(t *testing.T) {
	var first trialOutcome
	for run := range 2 {
		c := cell{name: "u60", rho: .6, intervalBudget: tiny.intervals(), seed: 1}
		if err := c.drawServers(t.Context()); err != nil {
			t.Fatal(err)
		}
		sla := c.serverOf(0).slaAt(1.1)
		k, err := measureTrial(t.Context(), c.serverOf(0), c.seedFor(0, 3), sla, verdictMax, sweep.UntilCertain(sla, c.serverOf(0).load))
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first = k
		} else if k != first {
			t.Errorf("the same trial again: %+v, before %+v", k, first)
		}
	}
}

func TestSearch(t *testing.T) {
	got, _ := figureLines(t, "search")
	want := []string{
		"search.regret.median.auto", "search.regret.p90.auto", "search.regret.median.auto-hard", "search.regret.p90.auto-hard",
		"search.regret-tested.median.auto", "search.regret-tested.p90.auto", "search.regret-passed.median.auto", "search.regret-passed.p90.auto", "search.regret.share.auto",
		"search.tests.auto", "search.tests.median.auto", "search.trials.auto", "search.probes.auto", "search.over.auto",
		"search.error.median.auto", "search.error.p90.auto",
		"search.measured.median.auto", "search.measured.p90.auto", "search.error.median.auto-hard", "search.error.p90.auto-hard",
		"search.measured.median.auto-hard", "search.measured.p90.auto-hard",
		"search.regret.median.random8", "search.regret.p90.random8", "search.regret.median.tpe8", "search.regret.p90.tpe8",
		"search.regret.median.hill8", "search.regret.p90.hill8", "search.promise.kept", "search.promise.validated",
	}
	got = slices.DeleteFunc(got, func(name string) bool { return len(name) > 14 && name[:14] == "search.replay." })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
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

func TestLengths(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads real models for ten seconds: make test-long runs it")
	}
	needLibrary(t)
	got, fields := figureLines(t, "lengths")
	var want []string
	for _, v := range lengthVariants() {
		want = append(want, "lengths.difference."+v.name)
	}
	want = append(want, "lengths.ratio.equal", "lengths.ratio.buckets", "lengths.ratio.longest", "lengths.ratio.best")
	for _, v := range lengthVariants() {
		want = append(want, "lengths.rate."+v.name, "lengths.p99."+v.name)
	}
	for _, v := range lengthVariants() {
		want = append(want, "lengths.split."+v.name, "lengths.padding."+v.name)
	}
	want = append(want, "lengths.error.rate", "lengths.error.p99", "lengths.per-class.equal", "lengths.per-class.buckets")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for name, value := range map[string]string{"lengths.split.longest": "0", "lengths.split.all": "0", "lengths.padding.equal": "0"} {
		if f := fields[name]; len(f) < 2 || f[1] != value {
			t.Errorf("%s is %v, want %s", name, f, value)
		}
	}
	for _, v := range lengthVariants() { // counts and answers, whatever the machine does
		if f := fields["lengths.difference."+v.name]; len(f) < 5 || f[4] != "ok" {
			t.Errorf("lengths.difference.%s: %v, want ok", v.name, f)
		}
	}
}

func TestLoadgen(t *testing.T) {
	if testing.Short() {
		t.Skip("it sends loads for ten seconds: make test-long runs it")
	}
	want := []string{
		"loadgen.rate.error share <=0.0005", "loadgen.gaps.constant cv <=0.15", "loadgen.p50.floor ms -", "loadgen.p50.least ms -",
		"loadgen.gaps.poisson-off cv <=0.03", "loadgen.p99.stalled share <=0.01",
		"loadgen.cpu.1k-us us -", "loadgen.cpu.1k-bare ratio <=1.3", "loadgen.p50.bare ms -", "loadgen.p50.ratio ratio <=1.25",
		"loadgen.cpu.5k-us us -", "loadgen.cpu.5k-bare ratio <=1.2", "loadgen.rate.one-core /s >=40000",
	}
	if runtime.GOOS != "linux" {
		want = slices.DeleteFunc(want, func(line string) bool {
			return slices.ContainsFunc([]string{"bare", "p50.ratio", "limit", "share"}, func(name string) bool { return strings.Contains(line, name) })
		})
	}
	t.Setenv("PATH", t.TempDir()) // no wrk2, whatever is installed
	lines := strings.Split(strings.TrimSpace(measure(t, "loadgen")), "\n")
	var got []string
	for _, l := range lines[1 : len(lines)-1] {
		f := strings.Fields(l)
		got = append(got, f[0]+" "+f[2]+" "+f[3])
		if strings.HasSuffix(f[0], "k-us") && !strings.HasSuffix(l, "no ratio: wrk2 is not installed)") {
			t.Errorf("%q does not contain why there is no ratio", l)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("figures (-want +got):\n%s", d)
	}
}

func TestSets(t *testing.T) {
	for _, tt := range []struct {
		set  string
		want []string
	}{
		{"batching", []string{
			"batching.steps.eager M/s -", "batching.allocs.eager count =0",
			"batching.steps.torchserve M/s -", "batching.allocs.torchserve count =0",
		}},
		{"overhead", []string{
			"overhead.p50.process us <=5", "overhead.allocs.submit count =0",
			"overhead.p50.http-256 us <=25", "overhead.p50.http-4096 us <=25", "overhead.allocs.http count <=8",
			"overhead.rate.delay-200us ratio >=0.76", "overhead.rate.delay-0 ratio >=0.6",
		}},
	} {
		t.Run(tt.set, func(t *testing.T) {
			lines := strings.Split(strings.TrimSpace(measure(t, tt.set)), "\n")
			first, last := lines[0], lines[len(lines)-1]
			if !strings.HasPrefix(first, "# ") || !strings.HasPrefix(last, "end "+tt.set+" ") {
				t.Errorf("begins with %q, ends with %q", first, last)
			}
			var got []string
			for _, l := range lines[1 : len(lines)-1] {
				f := strings.Fields(l)
				got = append(got, f[0]+" "+f[2]+" "+f[3])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("figures (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServeSet(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads real models for ten seconds: make test-long runs it")
	}
	needLibrary(t)
	got, fields := figureLines(t, "serve")
	var want []string
	for _, m := range serveSpecs() {
		for _, f := range []string{"duty.%.process", "stretch.%", "waking.%", "share.%", "duty.%.http", "rate.%", "beside.%", "rate-beside.%"} {
			onlyEncoder := f == "waking.%" || f == "share.%" || strings.Contains(f, "beside")
			if (m.pictures == "" || strings.Contains(f, "http")) && (!onlyEncoder || m.name() == "encoder") {
				want = append(want, "serve."+strings.ReplaceAll(f, "%", m.name()))
			}
		}
		if m.name() == "resnet18" {
			want = append(want, "serve.workers-2.resnet18")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for name, goal := range map[string]string{
		"serve.duty.encoder.process": "-", "serve.share.encoder": ">=0.99", "serve.duty.mlp-wide.process": ">=0.99",
		"serve.duty.encoder.http": ">=0.93", "serve.duty.resnet18.http": ">=0.98", "serve.duty.images.http": ">=0.98",
		"serve.stretch.encoder": "<=1.03", "serve.rate.encoder": "-", "serve.rate-beside.encoder": ">=0.93", "serve.rate.resnet18": ">=0.93",
	} {
		if f := fields[name]; len(f) < 4 || f[3] != goal {
			t.Errorf("%s: %q, want goal %s", name, f, goal)
		}
	}
}

func TestTrials(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads real models for ten seconds: make test-long runs it")
	}
	needLibrary(t)
	got, _ := figureLines(t, "trials")
	if diff := cmp.Diff([]string{"trials.covered.resnet18", "trials.mean.resnet18"}, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}
