package rank_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

var (
	light = load.Spec{Concurrency: 8}
	heavy = load.Spec{Concurrency: 40}
)

func under(l load.Spec) func(*trial.Trial) { return func(t *trial.Trial) { t.Load = l } }

func batch(n int) func(*trial.Trial) { return func(t *trial.Trial) { t.Settings.BatchSize = n } }

func numbered(trials ...trial.Trial) []trial.Trial {
	for i := range trials {
		trials[i].N = i + 1
	}
	return trials
}

// TestOtherLoads: the loads of the plan are known, also those under which nothing was measured.
func TestOtherLoads(t *testing.T) {
	value := func(t *trial.Trial) { t.Verdict.Percentile, t.Verdict.ValueMS = 99, trial.NumOf(120) }
	big := func(t *trial.Trial) { t.Use.RSSMB = trial.NumOf(500) }
	chosen := run(100, validation, value, func(t *trial.Trial) { t.Use.RSSMB = trial.NumOf(50) })
	matched := load.Spec{Matched: true}
	for _, c := range []struct {
		name  string
		rules rank.Rules
		more  []trial.Trial
		want  []string
		under trial.Answer
	}{
		{"one load", rank.Rules{}, nil, nil, trial.Pass},
		{"a load that was not measured", rank.Rules{Loads: []load.Spec{light, heavy}}, nil, []string{"under concurrency 40 it was not measured"}, trial.Undecided},
		{"twice in the plan", rank.Rules{Loads: []load.Spec{light, heavy, heavy, light}}, nil, []string{"under concurrency 40 it was not measured"}, trial.Undecided},
		{
			"an error that says nothing",
			rank.Rules{Loads: []load.Spec{light, heavy}},
			[]trial.Trial{run(0, validation, unrelated, under(heavy))},
			[]string{"under concurrency 40 it was not measured: interrupted"},
			trial.Undecided,
		},
		{
			"the server died",
			rank.Rules{Loads: []load.Spec{light, heavy}},
			[]trial.Trial{run(0, validation, died, under(heavy))},
			[]string{"under concurrency 40 it FAILs (engine died)"},
			trial.Fail,
		},
		{
			"a failure",
			rank.Rules{Loads: []load.Spec{light, heavy}},
			[]trial.Trial{run(100, fails, value, under(heavy))},
			[]string{"under concurrency 40 it FAILs (P99 120.0 ms)"},
			trial.Fail,
		},
		{
			"a pass that was not validated",
			rank.Rules{Loads: []load.Spec{light, heavy}},
			[]trial.Trial{run(100, value, under(heavy))},
			[]string{"under concurrency 40 it was not validated (P99 120.0 ms)"},
			trial.Undecided,
		},
		{"a validation", rank.Rules{Loads: []load.Spec{light, heavy}}, []trial.Trial{run(100, validation, big, under(heavy))}, nil, trial.Pass},
		{
			"a validation that exceeds a constraint",
			rank.Rules{Loads: []load.Spec{light, heavy}, Constraints: plan.Constraints{MemoryMB: 100}},
			[]trial.Trial{run(100, validation, big, under(heavy))},
			[]string{"under concurrency 40 it exceeds the constraints"},
			trial.Fail,
		},
		{"a matched load", rank.Rules{Loads: []load.Spec{light, matched}}, nil, []string{"under matched concurrency 1 it was not measured"}, trial.Undecided},
		{
			"a load that is none of the plan",
			rank.Rules{Loads: []load.Spec{light, heavy}},
			[]trial.Trial{run(100, validation, under(heavy)), run(100, fails, value, under(load.Spec{Concurrency: 99}))},
			[]string{"under concurrency 99 it FAILs (P99 120.0 ms)"},
			trial.Pass,
		},
		{"rates are results", rank.Rules{Question: plan.Capacity}, []trial.Trial{run(100, fails, under(heavy))}, nil, trial.Pass},
	} {
		trials := numbered(append([]trial.Trial{chosen}, c.more...)...)
		k := rank.New(c.rules, trials)
		row := k.Row(0)
		if diff := cmp.Diff(c.want, k.DescribeOtherLoads(row)); diff != "" || k.UnderAllLoads(row) != c.under {
			t.Errorf("%s: under all loads %v, want %v; other loads (-want +got):\n%s", c.name, k.UnderAllLoads(row), c.under, diff)
		}
	}
}

// TestSameTrace: the trace of a plan that was read from a profile has neither folder nor duration.
func TestSameTrace(t *testing.T) {
	planned := load.Spec{Mode: load.Trace, File: "a.csv", SHA256: "12"}
	measured := load.Spec{Mode: load.Trace, File: "/tmp/a.csv", SHA256: "12", Over: 9}
	k := rank.New(rank.Rules{Loads: []load.Spec{light, planned}}, numbered(run(1, validation), run(1, validation, under(measured))))
	if text := k.DescribeOtherLoads(k.Row(0)); text != nil {
		t.Errorf("other loads: %q", text)
	}
	planned.SHA256 = "34"
	k = rank.New(rank.Rules{Loads: []load.Spec{light, planned}}, k.Trials)
	if text := k.DescribeOtherLoads(k.Row(0)); len(text) != 1 {
		t.Errorf("other loads with another trace: %q", text)
	}
}

// TestChosenUnderAllLoads: of equal settings the one that is confirmed under all loads is chosen; a faster one that is
// not measured under one of them stays first.
func TestChosenUnderAllLoads(t *testing.T) {
	rules := rank.Rules{Loads: []load.Spec{light, heavy}}
	for rps, want := range map[float64]int{103: 2, 300: 1} {
		trials := numbered(run(rps, validation), run(100, batch(4), validation), run(50, batch(4), validation, under(heavy)))
		if r, ok := rank.New(rules, trials).Chosen(); !ok || r.Joined.N != want {
			t.Errorf("%g/s against 100/s: chosen is trial %d, want %d", rps, r.Joined.N, want)
		}
	}
}

// TestExceededUnderAnotherLoad: settings that exceed a constraint under one load come after those that do under none.
func TestExceededUnderAnotherLoad(t *testing.T) {
	rss := func(mb float64) func(*trial.Trial) { return func(t *trial.Trial) { t.Use.RSSMB = trial.NumOf(mb) } }
	trials := numbered(run(300, rss(90)), run(100, rss(90), batch(4)), run(100, rss(500), under(heavy)))
	all := rank.New(rank.Rules{Constraints: plan.Constraints{MemoryMB: 100}}, trials).Candidates()
	if len(all) != 2 || all[0].Joined.N != 2 {
		t.Errorf("candidates %+v, want trial 2 first", all)
	}
}
