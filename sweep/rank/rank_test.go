package rank_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// run returns a trial of one setting that passed with a throughput of rps +- 5.
func run(rps float64, change ...func(*trial.Trial)) trial.Trial {
	t := trial.Trial{Role: trial.RoleLoad, Settings: knob.Default(knob.TorchServe), Load: load.Spec{Concurrency: 8}}
	t.Throughput = trial.Estimate{Value: trial.NumOf(rps), Low: trial.NumOf(rps - 5), High: trial.NumOf(rps + 5)}
	t.Verdict = trial.Verdict{Result: trial.Pass, Leaning: trial.Pass, Why: "certain"}
	for _, c := range change {
		c(&t)
	}
	return t
}

func answer(result, leaning trial.Answer) func(*trial.Trial) {
	return func(t *trial.Trial) { t.Verdict.Result, t.Verdict.Leaning = result, leaning }
}

func role(r trial.Role) func(*trial.Trial) { return func(t *trial.Trial) { t.Role = r } }

// Changes of a run.
var (
	fails      = answer(trial.Fail, trial.Fail)
	likely     = answer(trial.Undecided, trial.Pass)
	unlikely   = answer(trial.Undecided, trial.Fail)
	undecided  = answer(trial.Undecided, trial.Undecided)
	control    = role(trial.RoleControl)
	validation = role(trial.RoleValidation)
	live       = role(trial.RoleLive)
	disturbed  = func(t *trial.Trial) { t.Blocks.Disturbed = 7 }
	limited    = func(t *trial.Trial) { t.GeneratorLimited = true }
	died       = func(t *trial.Trial) {
		t.Error, t.Verdict.Result, t.Verdict.Why = "engine died", trial.Fail, "not measured: engine died"
	}
	unrelated = func(t *trial.Trial) { t.Error, t.Verdict = "interrupted", trial.Verdict{} }
)

// row returns the only row of the trials.
func row(t *testing.T, trials ...trial.Trial) rank.Row {
	t.Helper()
	for i := range trials {
		trials[i].N = i + 1
	}
	rows := rank.Rows(trials)
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	return rows[0]
}

// TestJoin checks the joint verdict of the runs of one setting. representative is the number of the
// representative trial.
func TestJoin(t *testing.T) {
	type T = []trial.Trial
	for _, c := range []struct {
		name            string
		trials          T
		result, leaning trial.Answer
		representative  int
		validated       bool
	}{
		{"one run", T{run(100)}, trial.Pass, trial.Pass, 1, false},
		{"one likely pass", T{run(100, likely)}, trial.Undecided, trial.Pass, 1, false},
		{"all pass: the median run is the representative", T{run(100), run(300, control), run(200, control)}, trial.Pass, trial.Pass, 3, false},
		{"two runs: the one with the higher throughput", T{run(100), run(110, control)}, trial.Pass, trial.Pass, 2, false},
		{"they differ", T{run(100), run(110, control, fails)}, trial.Undecided, trial.Undecided, 2, false},
		{"all fail", T{run(100, fails), run(110, control, fails)}, trial.Fail, trial.Fail, 2, false},
		{"an undecided run does not count", T{run(100), run(90, control, undecided)}, trial.Pass, trial.Pass, 1, false},
		{"two likely passes", T{run(100, likely), run(90, control, likely)}, trial.Undecided, trial.Pass, 1, false},
		{"a likely pass and a likely failure", T{run(100, likely), run(90, control, unlikely)}, trial.Undecided, trial.Undecided, 1, false},
		{"a pass and a likely failure", T{run(100), run(90, control, unlikely)}, trial.Pass, trial.Undecided, 1, false},

		{"a validation", T{run(100, likely), run(90, validation)}, trial.Pass, trial.Pass, 2, true},
		{"a validation outweighs failures", T{run(100, fails), run(110, control, fails), run(90, validation)}, trial.Pass, trial.Pass, 3, true},
		{"and passes", T{run(100), run(110, control), run(90, validation, fails)}, trial.Fail, trial.Fail, 3, false},
		{"an undecided validation outweighs earlier passes", T{run(100), run(110, control), run(90, validation, likely)}, trial.Undecided, trial.Pass, 3, false},
		{"and an earlier validation that passed", T{run(100), run(95, validation), run(90, validation, undecided)}, trial.Undecided, trial.Undecided, 3, false},
		{"and a later one", T{run(100), run(95, validation, undecided), run(90, validation)}, trial.Undecided, trial.Undecided, 3, false},
		{"two validations that differ", T{run(100), run(95, validation), run(90, validation, fails)}, trial.Undecided, trial.Undecided, 3, false},
		{"two validations that pass: the last one is the representative", T{run(100), run(95, validation), run(90, validation)}, trial.Pass, trial.Pass, 3, true},

		{"a disturbed run does not count", T{run(100, fails, disturbed), run(90, control)}, trial.Pass, trial.Pass, 2, false},
		{"a disturbed validation does not count", T{run(100, likely), run(90, validation, fails, disturbed)}, trial.Undecided, trial.Pass, 1, false},
		{"all validations are disturbed, and pass", T{run(100, likely), run(90, validation, disturbed), run(95, validation, disturbed)}, trial.Pass, trial.Pass, 3, true},
		{"one of the disturbed validations does not pass", T{run(100, likely), run(90, validation, disturbed), run(95, validation, likely, disturbed)}, trial.Undecided, trial.Pass, 1, false},
		{"all runs are disturbed", T{run(100, disturbed), run(90, control, fails, disturbed)}, trial.Undecided, trial.Undecided, 1, false},
		{"a run with a limited generator does not count", T{run(100, fails, limited), run(90, control)}, trial.Pass, trial.Pass, 2, false},
		{"the server died in a run", T{run(0, died), run(90, control)}, trial.Fail, trial.Fail, 2, false},
		{"in one of two validations", T{run(100), run(90, validation), run(0, validation, died)}, trial.Fail, trial.Fail, 2, false},
		{"in a run of the search, before a validation that passed", T{run(0, died), run(90, validation)}, trial.Fail, trial.Fail, 2, false},
		{"in all runs", T{run(0, died), run(0, died)}, trial.Fail, trial.Fail, 2, false},
		{"a run with an unrelated error does not count", T{run(0, unrelated), run(90, control)}, trial.Pass, trial.Pass, 2, false},
		{"a disturbed run outweighs one with such an error", T{run(0, unrelated), run(90, control, disturbed)}, trial.Pass, trial.Pass, 2, false},
		{"such a validation neither", T{run(100), run(90, validation), run(0, validation, unrelated)}, trial.Pass, trial.Pass, 2, true},
		{"nor beside a disturbed one", T{run(100), run(90, validation, disturbed), run(0, validation, unrelated)}, trial.Pass, trial.Pass, 2, true},
		{"all runs have unrelated errors", T{run(0, unrelated), run(0, unrelated)}, trial.Undecided, trial.Undecided, 2, false},
	} {
		r := row(t, c.trials...)
		v := r.Verdict()
		if v.Result != c.result || v.Likely() != likelyAnswer(c.result, c.leaning) || r.Representative != c.representative-1 || r.Validated != c.validated {
			t.Errorf("%s: %v, likely %v, representative %d, validated %v; want %v, %v, %d, %v",
				c.name, v.Result, v.Likely(), r.Representative+1, r.Validated, c.result, likelyAnswer(c.result, c.leaning), c.representative, c.validated)
		}
		if differ := strings.Contains(v.Why, "runs differ"); differ != (r.Joined.Error == "" && c.result != c.trials[r.Representative].Verdict.Result) {
			t.Errorf("%s: why %q", c.name, v.Why)
		}
		if len(r.Runs) != len(c.trials) {
			t.Errorf("%s: runs %v, want all %d", c.name, r.Runs, len(c.trials))
		}
	}
}

func likelyAnswer(result, leaning trial.Answer) trial.Answer {
	return trial.Verdict{Result: result, Leaning: leaning}.Likely()
}

// TestJoinedThroughput checks that Range has the median of the runs, and an interval that contains
// all their intervals.
func TestJoinedThroughput(t *testing.T) {
	for _, c := range []struct {
		name   string
		trials []trial.Trial
		want   [3]float64
	}{
		{"one run", []trial.Trial{run(560)}, [3]float64{560, 555, 565}},
		{"three runs", []trial.Trial{run(560), run(471, control), run(378, validation)}, [3]float64{471, 373, 565}},
		{"two runs", []trial.Trial{run(500), run(400, control)}, [3]float64{450, 395, 505}},
		{"a disturbed run does not count", []trial.Trial{run(560), run(100, control, disturbed)}, [3]float64{560, 555, 565}},
		{"a run without a throughput", []trial.Trial{run(560), run(1, control, func(t *trial.Trial) { t.Throughput = trial.Estimate{} })}, [3]float64{560, 555, 565}},
	} {
		e := row(t, c.trials...).Range
		if got := [3]float64{e.Value.Or(-1), e.Low.Or(-1), e.High.Or(-1)}; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	unmeasured := func(t *trial.Trial) { t.Throughput = trial.Estimate{} }
	if e := row(t, run(0, unmeasured), run(0, control, unmeasured)).Joined.Throughput; e.Value.OK() || e.Low.OK() {
		t.Errorf("no run has a throughput: %+v", e)
	}
}

// TestRows checks that a row has the trials of one setting under one load, whatever their roles are.
func TestRows(t *testing.T) {
	other := func(t *trial.Trial) { t.Settings.BatchSize = 8 }
	more := func(t *trial.Trial) { t.Load.Concurrency = 40 }
	eager := func(t *trial.Trial) { t.Options.Rule = knob.Eager }
	trials := []trial.Trial{
		run(100), run(200, other), run(110, control), run(90, more), run(999, live), run(210, other, validation), run(50, eager),
	}
	var got [][]int
	for _, r := range rank.Rows(trials) {
		got = append(got, r.Runs)
	}
	if diff := cmp.Diff([][]int{{0, 2}, {1, 5}, {3}, {6}}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if rows := rank.Rows(nil); len(rows) != 0 {
		t.Errorf("rows without trials: %v", rows)
	}
}

// TestOrderOfRuns checks that a row does not depend on the order of the trials.
func TestOrderOfRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	changes := []func(*trial.Trial){fails, likely, unlikely, undecided, control, disturbed, limited, died, unrelated}
	for range 2000 {
		trials := make([]trial.Trial, 1+rng.IntN(6))
		for i := range trials {
			trials[i] = run(float64(100 + 10*rng.IntN(4)))
			for _, k := range rng.Perm(len(changes))[:rng.IntN(3)] {
				changes[k](&trials[i])
			}
			if rng.IntN(4) == 0 {
				validation(&trials[i])
			}
			trials[i].N = i + 1
		}
		before := rank.Rows(trials)[0]
		representative := trials[before.Representative]
		shuffled := slices.Clone(trials)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		after := rank.Rows(shuffled)[0]
		if b, a := before.Verdict(), after.Verdict(); b.Result != a.Result || b.Likely() != a.Likely() || before.Validated != after.Validated ||
			before.Joined.Throughput != after.Joined.Throughput {
			t.Fatalf("in another order the row is %+v instead of %+v", after, before)
		}
		if got := shuffled[after.Representative].N; got != representative.N {
			t.Fatalf("in another order the representative is trial %d instead of %d", got, representative.N)
		}
	}
}

// TestRowOf: the row of a trial is that of Rows.
func TestRowOf(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	for range 300 {
		trials := randomTrials(r)
		rows := rank.Rows(trials)
		for i := range trials {
			got := rank.RowOf(trials, i)
			want := rank.Row{Runs: []int{i}, Representative: i, Joined: trials[i]}
			for _, row := range rows {
				if slices.Contains(row.Runs, i) {
					want = row
				}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(trial.Num{})); diff != "" {
				t.Fatalf("trial %d (-want +got):\n%s", i, diff)
			}
		}
	}
}

// TestDeathInValidation: settings under which the server died are not chosen, and the row says so.
func TestDeathInValidation(t *testing.T) {
	r := row(t, run(100), run(90, validation), run(0, validation, died))
	if v := r.Verdict(); v.Why != "trial 3: engine died" || r.Joined.Error != "engine died" {
		t.Errorf("why %q, error %q", v.Why, r.Joined.Error)
	}
	trials := []trial.Trial{run(100), run(90, validation), run(0, validation, died)}
	for i := range trials {
		trials[i].N = i + 1
	}
	if r, ok := rank.New(rank.Rules{}, trials).Chosen(); ok {
		t.Errorf("chosen: %+v", r.Joined)
	}
}

// TestNarrow: only validations that passed confirm a narrow pass.
func TestNarrow(t *testing.T) {
	over := func(t *trial.Trial) {
		t.Role, t.Verdict.LimitMS, t.Verdict.HighMS = trial.RoleValidation, 100, trial.NumOf(101)
	}
	for _, c := range []struct {
		name string
		more []trial.Trial
		want bool
	}{
		{"one", nil, true},
		{"a second pass", []trial.Trial{run(90, over)}, false},
		{"a second one that says nothing", []trial.Trial{run(0, over, unrelated)}, true},
		{"a disturbed one without a verdict", []trial.Trial{run(90, over, disturbed, undecided)}, true},
		{"one that the generator limited", []trial.Trial{run(90, over, limited)}, true},
	} {
		if r := row(t, append([]trial.Trial{run(100, over)}, c.more...)...); r.Narrow != c.want || !r.Validated {
			t.Errorf("%s: narrow %v, want %v; validated %v", c.name, r.Narrow, c.want, r.Validated)
		}
	}
}

// TestMemoryOfAllRuns: the largest memory of all runs counts for a constraint, and a constraint on what no run has
// measured is not kept.
func TestMemoryOfAllRuns(t *testing.T) {
	rss := func(mb float64) func(*trial.Trial) { return func(t *trial.Trial) { t.Use.RSSMB = trial.NumOf(mb) } }
	bound := func(t *trial.Trial) { t.Use.RSSIsBound = true }
	gpu := func(mb float64) func(*trial.Trial) {
		return func(t *trial.Trial) { t.Use.GPU.MemoryMB = trial.NumOf(mb) }
	}
	onGPU := func(t *trial.Trial) { t.Settings.Device = "gpu" }
	memory, ofGPU := plan.Constraints{MemoryMB: 100}, plan.Constraints{GPUMemoryMB: 100}
	type T = []trial.Trial
	for _, c := range []struct {
		name   string
		limit  plan.Constraints
		trials T
		want   bool // chosen
	}{
		{"within", memory, T{run(1, rss(90)), run(1, validation, rss(95))}, true},
		{"the search exceeded it, the validation did not", memory, T{run(1, rss(500)), run(1, validation, rss(90))}, false},
		{"the search exceeded it, the validation is unknown", memory, T{run(1, rss(500)), run(1, validation)}, false},
		{"an upper bound is no figure", memory, T{run(1, rss(500), bound), run(1, validation, rss(90))}, true},
		{"only the search measured it", memory, T{run(1, rss(90)), run(1, validation)}, true},
		{"no run measured it", memory, T{run(1), run(1, validation)}, false},
		{"of the GPU", ofGPU, T{run(1, onGPU, gpu(500)), run(1, onGPU, validation, gpu(90))}, false},
		{"of the GPU, not measured", ofGPU, T{run(1, onGPU), run(1, onGPU, validation)}, false},
		{"of the GPU, on the processor", ofGPU, T{run(1), run(1, validation)}, true},
	} {
		for i := range c.trials {
			c.trials[i].N = i + 1
		}
		if _, ok := rank.New(rank.Rules{Constraints: c.limit}, c.trials).Chosen(); ok != c.want {
			t.Errorf("%s: chosen %v, want %v", c.name, ok, c.want)
		}
	}
}
