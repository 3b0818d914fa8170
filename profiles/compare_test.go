package profiles_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// precise returns a trial with intervals of 1%. rps and p99 scale its throughput and its P99.
func precise(n int, rps, p99 float64) trial.Trial {
	t := sampleTrial(n)
	est := func(v float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(.99 * v), High: trial.NumOf(1.01 * v)}
	}
	t.Throughput, t.Latency.P50, t.Latency.P99 = est(500*rps), est(18), est(40*p99)
	return t
}

func TestCompareOutcomes(t *testing.T) {
	change := func(f func(*trial.Trial)) trial.Trial {
		u := precise(1, 1, 1)
		f(&u)
		return u
	}
	open := trial.Num{}
	for _, c := range []struct {
		name string
		b    trial.Trial
		want profiles.Outcome
		why  string
	}{
		{"equal", precise(1, 1, 1), profiles.NoRegression, "nothing is worse by more than 5%"},
		{"P99 higher", precise(1, 1, 1.2), profiles.Regression, "trial 1: P99 is 20% higher (18% to 22%)"},
		{"a little higher", precise(1, 1, 1.02), profiles.NoRegression, "nothing"},
		{"perhaps higher", precise(1, 1, 1.045), profiles.Regression, "P99 is 4.5% higher (3% to 6%)"},
		{"lower", precise(1, 1, .5), profiles.NoRegression, "nothing"},
		{"throughput lower", precise(1, .8, 1), profiles.Regression, "throughput is 20% lower (19% to 21%)"},
		{"throughput higher", precise(1, 2, 1), profiles.NoRegression, "nothing"},
		{"P99 wide", change(func(u *trial.Trial) { u.Latency.P99.High, u.Latency.P99.Low = trial.NumOf(48), trial.NumOf(32) }), profiles.CannotTell, "P99 may be 20% higher, and 5% is tolerated; longer trials can decide it"},
		{"P99 open", change(func(u *trial.Trial) { u.Latency.P99.High = open }), profiles.CannotTell, "P99: too few answers"},
		{"P99 open below", change(func(u *trial.Trial) { u.Latency.P99.Low = open }), profiles.NoRegression, "nothing"},
		{"no P99", change(func(u *trial.Trial) { u.Latency.P99 = trial.Estimate{} }), profiles.CannotTell, "P99: too few answers"},
		{"no throughput", change(func(u *trial.Trial) { u.Throughput = trial.Estimate{} }), profiles.CannotTell, "throughput: too few answers"},
		{"promise broken", change(func(u *trial.Trial) { u.Verdict.Result = trial.Fail }), profiles.Regression, "the promise was kept before and is broken now"},
		{"another promise broken", change(func(u *trial.Trial) { u.Verdict.Result, u.Verdict.LimitMS = trial.Fail, 10 }), profiles.NoRegression, "nothing"},
		{"errors", change(func(u *trial.Trial) { u.Counts.OK, u.Counts.Failed, u.Verdict.Result = 6450, 100, trial.Undecided }), profiles.Regression, "1.5% more of the requests fail (1.3% to 1.9%)"},
		{"errors that are allowed", change(func(u *trial.Trial) { u.Counts.OK, u.Counts.Failed = 6450, 100 }), profiles.NoRegression, "nothing"},
		{"generator limited", change(func(u *trial.Trial) {
			u.Warnings = []trial.Warning{{Kind: trial.GeneratorLimited, Text: "generator limited: late"}}
		}), profiles.CannotTell, "trial 1: generator limited: late"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := profiles.Compare(profileOf("a", precise(1, 1, 1)), profileOf("b", c.b), profiles.CompareOptions{Tolerance: .05})
			if err != nil || got.Outcome != c.want || !strings.Contains(got.Why, c.why) {
				t.Errorf("Compare = %v (%s), %v, want %v (%s)", got.Outcome, got.Why, err, c.want, c.why)
			}
		})
	}
}

// TestCompareFailedBefore: a setting that cannot be recommended cannot get worse.
// TestCompareServerFailed: settings with which the server died are not left out, also if another run has figures.
func TestCompareServerFailed(t *testing.T) {
	died := precise(1, 1, 1)
	died.Result = trial.Result{Error: "engine died: killed", Verdict: died.Verdict}
	died.Verdict.Result, died.Verdict.Why = trial.Fail, "not measured: engine died: killed"
	died.Verdict.ValueMS, died.Verdict.LowMS, died.Verdict.HighMS = trial.Num{}, trial.Num{}, trial.Num{}
	interrupted := died
	interrupted.Verdict.Result = trial.Undecided
	for name, c := range map[string]struct {
		b    []trial.Trial
		want profiles.Outcome
		why  string
	}{
		"it died":                    {[]trial.Trial{died}, profiles.Regression, "the server failed: engine died: killed"},
		"it died once":               {[]trial.Trial{precise(1, 1, 1), died}, profiles.Regression, "the server failed"},
		"before":                     {[]trial.Trial{died, precise(1, 1, 1)}, profiles.Regression, "the server failed"},
		"an error that says nothing": {[]trial.Trial{precise(1, 1, 1), interrupted}, profiles.NoRegression, ""},
	} {
		got, err := profiles.Compare(profileOf("a", precise(1, 1, 1)), profileOf("b", c.b...), profiles.CompareOptions{Tolerance: .05})
		if err != nil || got.Outcome != c.want || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: %v, %q, %v; want %v, %q", name, got.Outcome, got.Why, err, c.want, c.why)
		}
	}
}

func TestCompareFailedBefore(t *testing.T) {
	a := precise(1, 1, 1)
	a.Verdict.Result = trial.Fail
	got, err := profiles.Compare(profileOf("a", a), profileOf("b", precise(1, .5, 3)), profiles.CompareOptions{})
	if err != nil || got.Outcome != profiles.NoRegression || got.Pairs[0].Why != "the promise was not kept before" {
		t.Errorf("Compare = %v, %+v, %v", got.Outcome, got.Pairs[0], err)
	}
}

// TestCompareWithoutTolerance: longer trials could not decide whether equal values are equal.
func TestCompareWithoutTolerance(t *testing.T) {
	got, err := profiles.Compare(profileOf("a", precise(1, 1, 1)), profileOf("b", precise(1, 1, 1)), profiles.CompareOptions{})
	if want := "0% is tolerated; a tolerance above 0 can decide it"; err != nil || got.Outcome != profiles.CannotTell || !strings.HasSuffix(got.Why, want) {
		t.Errorf("Compare = %v (%s), %v, want ... %s", got.Outcome, got.Why, err, want)
	}
}

func TestCompareDifferent(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*profiles.Header)
		want   string
	}{
		{"CPU", func(h *profiles.Header) { h.Machine.CPU = "Other CPU" }, "CPU: Test CPU and Other CPU"},
		{"cores and runtime", func(h *profiles.Header) { h.Machine.Cores, h.Machine.Runtime = 4, "" }, "cores: 2 and 4; runtime: onnxruntime 1.27.0 cpu and none"},
		{"memory", func(h *profiles.Header) { h.Machine.MemoryMB = trial.NumOf(8000) }, "memory: 24576 MB and 8192 MB"},
		{"GPU", func(h *profiles.Header) {
			h.Machine.GPUs = []profiles.GPU{{Name: "H200", MemoryMB: trial.NumOf(140000)}}
		}, "GPUs: none and H200 147456 MB"},
		{"remote", func(h *profiles.Header) { h.Machine = profiles.Machine{Remote: "remote"} }, "GPUs: none and n/a"},
		{"model", func(h *profiles.Header) { h.Model.Name = "resnet18" }, "model: mlp-wide and resnet18"},
		{"bytes", func(h *profiles.Header) { h.Model.SHA256 = "ffff" }, "mlp-wide is not the same file: sha256 12ab34cd56ef and ffff"},
		{"kind", func(h *profiles.Header) { h.Kind = profiles.Live }, "kind: sweep and live"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := profileOf("a", precise(1, 1, 1)), profileOf("b", precise(1, 1, 1))
			c.change(&b.Header)
			b.Header.Machine = b.Header.Machine.Complete()
			got, err := profiles.Compare(a, b, profiles.CompareOptions{Tolerance: .05})
			if !errors.Is(err, profiles.ErrNotComparable) || !strings.Contains(err.Error(), c.want) || got.Why != err.Error() || got.Outcome != profiles.CannotTell {
				t.Errorf("Compare = %v, %v, want %q", got.Outcome, err, c.want)
			}
			got, err = profiles.Compare(a, b, profiles.CompareOptions{Tolerance: .05, Force: true})
			if err != nil || got.Outcome != profiles.NoRegression || !strings.Contains(strings.Join(got.Differences, "; "), c.want) {
				t.Errorf("forced: %v, %q, %v", got.Outcome, got.Differences, err)
			}
		})
	}
	other := precise(1, 1, 1)
	other.Settings.BatchSize = 2
	_, err := profiles.Compare(profileOf("a", precise(1, 1, 1)), profileOf("b", other), profiles.CompareOptions{Force: true})
	if !errors.Is(err, profiles.ErrNotComparable) || !strings.Contains(err.Error(), "--choice") {
		t.Errorf("nothing in common: %v", err)
	}
	_, err = profiles.Compare(profileOf("a"), profileOf("b"), profiles.CompareOptions{Percentile: 100, Tolerance: 5})
	for _, want := range []string{"percentile 100 is outside 50-99.99", "tolerance 5 is outside 0-1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Compare = %v, want %q", err, want)
		}
	}
}

func TestCompareChoice(t *testing.T) {
	chosen := func(p *profiles.Profile, n int) *profiles.Profile {
		p.Choices = []trial.Choice{{N: n, Settings: p.Trials[n-1].Settings}}
		return p
	}
	a := chosen(profileOf("a", precise(1, 1, 1), precise(2, 1, 1)), 1)
	b := chosen(profileOf("b", precise(1, 9, 9), precise(2, .5, 1)), 2)
	got, err := profiles.Compare(a, b, profiles.CompareOptions{Choice: true})
	if err != nil || len(got.Pairs) != 1 || got.Pairs[0].B.Trial != 2 || got.Outcome != profiles.Regression {
		t.Errorf("Compare = %+v, %v, want trial 1 against 2", got, err)
	}
	b.Trials[1].Load.Concurrency = 20
	if _, err := profiles.Compare(a, b, profiles.CompareOptions{Choice: true}); !errors.Is(err, profiles.ErrNotComparable) || !strings.Contains(err.Error(), "concurrency 10 and concurrency 20") {
		t.Errorf("other loads: %v", err)
	}
	failed := precise(1, 1, 1)
	failed.Verdict.Result = trial.Fail
	if _, err := profiles.Compare(a, profileOf("b", failed), profiles.CompareOptions{Choice: true}); !errors.Is(err, profiles.ErrNotComparable) || !strings.Contains(err.Error(), "b has no choice") {
		t.Errorf("no choice: %v", err)
	}
}

// TestComparePairs: of repeated trials the longest is compared, trials with an error or
// without a partner are left out, and several pairs have wider intervals.
func TestComparePairs(t *testing.T) {
	long, broken := precise(1, 1, 3), precise(3, 1, 1)
	long.Counts.OK *= 2
	broken.Error = "engine died"
	a := profileOf("a", precise(1, 1, 1), long, precise(2, 1, 1), broken)
	b := profileOf("b", precise(4, 1, 1), precise(2, 1, 1), precise(1, 1, 3))
	got, err := profiles.Compare(a, b, profiles.CompareOptions{Tolerance: .05})
	if err != nil || len(got.Pairs) != 2 || got.Pairs[0].A.Trial != 2 || got.Pairs[0].B.Trial != 3 || got.Outcome != profiles.NoRegression {
		t.Fatalf("Compare = %+v, %v", got, err)
	}
	if want := []string{"trials that only one of them has are left out: 1 of b"}; !slices.Equal(got.Notes, want) {
		t.Errorf("notes = %q, want %q", got.Notes, want)
	}
	single, err := profiles.Compare(profileOf("a", precise(1, 1, 1)), profileOf("b", precise(1, 1, 1)), profiles.CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	one, two := single.Pairs[0].Figures[0].Ratio, got.Pairs[0].Figures[0].Ratio
	if w := func(e trial.Estimate) float64 { return e.High.Or(0) - e.Low.Or(0) }; w(two) < 1.1*w(one) {
		t.Errorf("interval of a single pair %v, of one of two pairs %v, want it wider", one, two)
	}
}

// TestComparePercentile compares a percentile that was not recorded, from the histograms,
// and checks its interval.
func TestComparePercentile(t *testing.T) {
	ms, counts := simulate(rand.New(rand.NewPCG(1, 2)), 20000)
	r := withHist(t, ms, counts, 1)
	got, err := profiles.Compare(profileOf("a", r), profileOf("b", withHist(t, ms, counts, 2)), profiles.CompareOptions{Percentile: 97, Tolerance: .05})
	if err != nil {
		t.Fatal(err)
	}
	f := got.Pairs[0].Figures[2]
	low, high := f.Ratio.Low.Or(0), f.Ratio.High.Or(0)
	if f.Name != "P97" || f.Outcome != profiles.Regression || low > 2 || high < 2 || high-low > .2 || f.A.High.Or(0) <= f.A.Value.Or(99) {
		t.Errorf("P97 = %+v, want a ratio of 2", f)
	}
	r.Hist.HDR = ""
	got, err = profiles.Compare(profileOf("a", r), profileOf("b", r), profiles.CompareOptions{Percentile: 97})
	if err != nil || got.Outcome != profiles.CannotTell {
		t.Errorf("without a histogram: %v, %v", got.Outcome, err)
	}
}

// TestCompareModel: the latency of the promise decides the outcome.
func TestCompareModel(t *testing.T) {
	model := func(ms float64) *profiles.Profile {
		u := precise(1, 1, ms)
		u.Verdict.Latency, u.Verdict.ValueMS, u.Verdict.LowMS, u.Verdict.HighMS = trial.ModelLatency, trial.NumOf(10), trial.NumOf(9.9), trial.NumOf(10.1)
		return profileOf("x", u)
	}
	got, err := profiles.Compare(model(1), model(3), profiles.CompareOptions{Tolerance: .05})
	if err != nil || got.Outcome != profiles.NoRegression {
		t.Errorf("Compare = %v %s, %v: the request P99 must not decide", got.Outcome, got.Why, err)
	}
	var names []string
	for _, f := range got.Pairs[0].Figures {
		names = append(names, fmt.Sprint(f.Name, f.Judged))
	}
	if want := "throughputtrue P50false P99false model P99true errorstrue"; strings.Join(names, " ") != want {
		t.Errorf("figures = %s, want %s", names, want)
	}
}

func TestWriteComparison(t *testing.T) {
	worse := precise(2, .99, 1.2)
	worse.Latency.P99.High = trial.Num{}
	failed := precise(3, 1, 1)
	failed.Verdict.Result = trial.Fail
	b := profileOf("20261123T091500Z-1b2c", precise(1, 1.1, .9), worse, failed)
	b.Trials[0].Settings.Threads = 1
	b.Header.Machine.Class = "sha256:ffff"
	c, err := profiles.Compare(profileOf("20261122T091500Z-7f3a", precise(1, 1, 1), precise(2, 1, 1), failed, precise(4, 1, 1)), b, profiles.CompareOptions{Tolerance: .05, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range styles {
		t.Run(fmt.Sprint(s.Width), func(t *testing.T) {
			var out bytes.Buffer
			if err := profiles.WriteComparison(&out, c, s); err != nil {
				t.Fatal(err)
			}
			fits(t, out.String(), s)
			golden.RequireEqual(t, out.Bytes())
		})
	}
	var out bytes.Buffer
	if err := profiles.WriteComparisonJSON(&out, c); err != nil {
		t.Fatal(err)
	}
	var back profiles.Comparison
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Outcome != c.Outcome || len(back.Pairs) != 3 || back.Pairs[1].Figures[2].Change != profiles.Worse {
		t.Errorf("as JSON: %v\n%s", err, out.Bytes())
	}
}

func TestOutcome(t *testing.T) {
	for _, o := range []profiles.Outcome{profiles.CannotTell, profiles.NoRegression, profiles.Regression} {
		text, err := o.MarshalText()
		var back profiles.Outcome
		if err != nil || back.UnmarshalText(text) != nil || back != o {
			t.Errorf("%v reads back as %v", o, back)
		}
	}
	var o profiles.Outcome
	if o.UnmarshalText([]byte("maybe")) == nil {
		t.Error("maybe is an outcome")
	}
}

// FuzzCompare: for any content, a comparison does not panic, and no profile is worse than
// itself.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(head+`{"t":"trial","n":1,"counts":{"sent":9,"ok":9},"latency_ms":{"p99":{"value":1,"low":2,"high":-1}},"throughput_rps":{"value":0,"low":0,"high":1e308}}`+"\n"), 99.)
	f.Add([]byte(head+`{"t":"trial","n":1,"settings":{"workers":3},"counts":{"sent":9,"ok":9},"hist":{"unit":"us","hdr":"HISTFAAA"}}`+"\n"), 97.)
	f.Fuzz(func(t *testing.T, data []byte, p float64) {
		a, _ := profiles.Decode("a", data)
		if a == nil {
			return
		}
		for _, choice := range []bool{false, true} {
			c, err := profiles.Compare(a, a, profiles.CompareOptions{Percentile: p, Choice: choice, Tolerance: .05, Force: true})
			if err != nil {
				continue
			}
			if c.Outcome == profiles.Regression {
				t.Errorf("worse than itself: %s", c.Why)
			}
			var b bytes.Buffer
			if err := profiles.WriteComparison(&b, c, profiles.Style{Width: 80}); err != nil {
				t.Fatal(err)
			}
			if err := profiles.WriteComparisonJSON(&b, c); err != nil {
				t.Fatal(err)
			}
		}
	})
}
