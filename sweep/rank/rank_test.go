package rank_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// ran is a load trial of one setting that passed with a throughput of rps +- 5.
func ran(rps float64, change ...func(*trial.Trial)) trial.Trial {
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

// What a run says.
var (
	fails   = answer(trial.Fail, trial.Fail)
	likely  = answer(trial.Undecided, trial.Pass)
	hardly  = answer(trial.Undecided, trial.Fail)
	open    = answer(trial.Undecided, trial.Undecided)
	again   = role(trial.RoleControl)
	long    = role(trial.RoleValidation)
	live    = role(trial.RoleLive)
	busy    = func(t *trial.Trial) { t.Blocks.Disturbed = 7 }
	limited = func(t *trial.Trial) { t.GeneratorLimited = true }
	broken  = func(t *trial.Trial) { t.Error = "engine died" }
)

// row is the only one of the trials.
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

// TestJoin: what runs of one setting say together. stands is the number of the
// trial that stands for it.
func TestJoin(t *testing.T) {
	type T = []trial.Trial
	for _, c := range []struct {
		name            string
		trials          T
		result, leaning trial.Answer
		stands          int
		validated       bool
	}{
		{"one run", T{ran(100)}, trial.Pass, trial.Pass, 1, false},
		{"one run that leans", T{ran(100, likely)}, trial.Undecided, trial.Pass, 1, false},
		{"all pass: the middle one stands", T{ran(100), ran(300, again), ran(200, again)}, trial.Pass, trial.Pass, 3, false},
		{"of two the better one", T{ran(100), ran(110, again)}, trial.Pass, trial.Pass, 2, false},
		{"they differ", T{ran(100), ran(110, again, fails)}, trial.Undecided, trial.Undecided, 2, false},
		{"all fail", T{ran(100, fails), ran(110, again, fails)}, trial.Fail, trial.Fail, 2, false},
		{"an open short run says nothing", T{ran(100), ran(90, again, open)}, trial.Pass, trial.Pass, 1, false},
		{"they lean the same way", T{ran(100, likely), ran(90, again, likely)}, trial.Undecided, trial.Pass, 1, false},
		{"they lean apart", T{ran(100, likely), ran(90, again, hardly)}, trial.Undecided, trial.Undecided, 1, false},
		{"a pass and one that leans to a failure", T{ran(100), ran(90, again, hardly)}, trial.Pass, trial.Undecided, 1, false},

		{"validated", T{ran(100, likely), ran(90, long)}, trial.Pass, trial.Pass, 2, true},
		{"a validation outweighs short failures", T{ran(100, fails), ran(110, again, fails), ran(90, long)}, trial.Pass, trial.Pass, 3, true},
		{"and short passes", T{ran(100), ran(110, again), ran(90, long, fails)}, trial.Fail, trial.Fail, 3, false},
		{"one that was left open is overruled by no earlier pass", T{ran(100), ran(110, again), ran(90, long, likely)}, trial.Undecided, trial.Pass, 3, false},
		{"nor by a validation that passed", T{ran(100), ran(95, long), ran(90, long, open)}, trial.Undecided, trial.Undecided, 3, false},
		{"nor by a later one", T{ran(100), ran(95, long, open), ran(90, long)}, trial.Undecided, trial.Undecided, 3, false},
		{"validations that differ", T{ran(100), ran(95, long), ran(90, long, fails)}, trial.Undecided, trial.Undecided, 3, false},
		{"two that pass: the last one stands", T{ran(100), ran(95, long), ran(90, long)}, trial.Pass, trial.Pass, 3, true},

		{"a busy run is left out", T{ran(100, fails, busy), ran(90, again)}, trial.Pass, trial.Pass, 2, false},
		{"so is a busy validation", T{ran(100, likely), ran(90, long, fails, busy)}, trial.Undecided, trial.Pass, 1, false},
		{"busy runs alone are all there is", T{ran(100, busy), ran(90, again, fails, busy)}, trial.Undecided, trial.Undecided, 1, false},
		{"a run whose generator was the limit", T{ran(100, fails, limited), ran(90, again)}, trial.Pass, trial.Pass, 2, false},
		{"one that broke off", T{ran(0, fails, broken), ran(90, again)}, trial.Pass, trial.Pass, 2, false},
		{"a busy one is better than one that broke off", T{ran(0, fails, broken), ran(90, again, busy)}, trial.Pass, trial.Pass, 2, false},
		{"all broke off", T{ran(0, fails, broken), ran(0, fails, broken)}, trial.Fail, trial.Fail, 2, false},
	} {
		r := row(t, c.trials...)
		v := r.Verdict()
		if v.Result != c.result || v.Likely() != seems(c.result, c.leaning) || r.Representative != c.stands-1 || r.Validated != c.validated {
			t.Errorf("%s: %v, seems %v, trial %d stands for it, validated %v; want %v, %v, %d, %v",
				c.name, v.Result, v.Likely(), r.Representative+1, r.Validated, c.result, seems(c.result, c.leaning), c.stands, c.validated)
		}
		if differ := strings.Contains(v.Why, "runs differ"); differ != (c.result != c.trials[r.Representative].Verdict.Result) {
			t.Errorf("%s: why %q", c.name, v.Why)
		}
		if len(r.Runs) != len(c.trials) {
			t.Errorf("%s: holds runs %v of %d", c.name, r.Runs, len(c.trials))
		}
	}
}

func seems(result, leaning trial.Answer) trial.Answer {
	return trial.Verdict{Result: result, Leaning: leaning}.Likely()
}

// TestJoinedThroughput: the lucky run of a setting is not what it does. The figure
// is the median of its runs, and the interval reaches over all of theirs.
func TestJoinedThroughput(t *testing.T) {
	for _, c := range []struct {
		name   string
		trials []trial.Trial
		want   [3]float64
	}{
		{"one", []trial.Trial{ran(560)}, [3]float64{560, 555, 565}},
		{"three", []trial.Trial{ran(560), ran(471, again), ran(378, long)}, [3]float64{471, 373, 565}},
		{"two", []trial.Trial{ran(500), ran(400, again)}, [3]float64{450, 395, 505}},
		{"a busy one is left out", []trial.Trial{ran(560), ran(100, again, busy)}, [3]float64{560, 555, 565}},
		{"one that was not measured", []trial.Trial{ran(560), ran(1, again, func(t *trial.Trial) { t.Throughput = trial.Estimate{} })}, [3]float64{560, 555, 565}},
	} {
		e := row(t, c.trials...).Range
		if got := [3]float64{e.Value.Or(-1), e.Low.Or(-1), e.High.Or(-1)}; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	nothing := func(t *trial.Trial) { t.Throughput = trial.Estimate{} }
	if e := row(t, ran(0, nothing), ran(0, again, nothing)).Joined.Throughput; e.Value.OK() || e.Low.OK() {
		t.Errorf("of nothing: %+v", e)
	}
}

// TestRows: a row is one setting under one load, whatever it was run for.
func TestRows(t *testing.T) {
	other := func(t *trial.Trial) { t.Settings.BatchSize = 8 }
	more := func(t *trial.Trial) { t.Load.Concurrency = 40 }
	session := func(t *trial.Trial) { t.Options.Rule = knob.Eager }
	trials := []trial.Trial{
		ran(100), ran(200, other), ran(110, again), ran(90, more), ran(999, live), ran(210, other, long), ran(50, session),
	}
	var got [][]int
	for _, r := range rank.Rows(trials) {
		got = append(got, r.Runs)
	}
	if diff := cmp.Diff([][]int{{0, 2}, {1, 5}, {3}, {6}}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if rows := rank.Rows(nil); len(rows) != 0 {
		t.Errorf("rows of nothing: %v", rows)
	}
}

// TestOrder: a row does not depend on the order in which its trials are given.
func TestOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	changes := []func(*trial.Trial){fails, likely, hardly, open, again, busy, limited, broken}
	for range 2000 {
		trials := make([]trial.Trial, 1+rng.IntN(6))
		for i := range trials {
			trials[i] = ran(float64(100 + 10*rng.IntN(4)))
			for _, k := range rng.Perm(len(changes))[:rng.IntN(3)] {
				changes[k](&trials[i])
			}
			if rng.IntN(4) == 0 {
				long(&trials[i])
			}
			trials[i].N = i + 1
		}
		before := rank.Rows(trials)[0]
		stood := trials[before.Representative]
		mixed := slices.Clone(trials)
		rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		after := rank.Rows(mixed)[0]
		if b, a := before.Verdict(), after.Verdict(); b.Result != a.Result || b.Likely() != a.Likely() || before.Validated != after.Validated ||
			before.Joined.Throughput != after.Joined.Throughput {
			t.Fatalf("in another order the row is %+v instead of %+v", after, before)
		}
		if got := mixed[after.Representative].N; got != stood.N {
			t.Fatalf("in another order trial %d stands for the row, not %d", got, stood.N)
		}
	}
}
