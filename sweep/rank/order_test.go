package rank_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// estimate returns an estimate whose interval has the given half width.
func estimate(v, half float64) trial.Estimate {
	return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v - half), High: trial.NumOf(v + half)}
}

// newTrial returns trial n, in a row of its own, which passed with a limit of 100 ms; change
// modifies it.
func newTrial(n int, rps, p99 float64, change ...func(*trial.Trial)) trial.Trial {
	t := trial.Trial{N: n, Role: trial.RoleLoad, Settings: knob.Default(knob.TorchServe)}
	t.Options.InterOp = n // makes a row of its own; the order does not depend on it
	t.Throughput = estimate(rps, 5)
	t.Verdict = trial.Verdict{
		Result: trial.Pass, Percentile: 99, LimitMS: 100,
		ValueMS: trial.NumOf(p99), LowMS: trial.NumOf(p99 - 2), HighMS: trial.NumOf(p99 + 2),
	}
	for _, c := range change {
		c(&t)
	}
	return t
}

func failed(t *trial.Trial) { t.Verdict.Result = trial.Fail }

func set(s func(*knob.Settings)) func(*trial.Trial) {
	return func(t *trial.Trial) { s(&t.Settings) }
}

func numbers(trials []trial.Trial, order []int) []int {
	var out []int
	for _, i := range order {
		out = append(out, trials[i].N)
	}
	return out
}

func TestRank(t *testing.T) {
	workers := func(n int) func(*trial.Trial) { return set(func(s *knob.Settings) { s.Workers = n }) }
	batch := func(n int) func(*trial.Trial) { return set(func(s *knob.Settings) { s.BatchSize = n }) }
	half := set(func(s *knob.Settings) { s.Precision = knob.HalfPrecision })
	delay := func(d time.Duration) func(*trial.Trial) {
		return set(func(s *knob.Settings) { s.BatchDelay = d })
	}
	wide := func(t *trial.Trial) { t.Throughput = estimate(t.Throughput.Value.Or(0), 500) }
	open := func(t *trial.Trial) { t.Verdict.HighMS = trial.Num{} }
	errors := func(t *trial.Trial) { t.Verdict.Result, t.Verdict.ErrorRate = trial.Fail, trial.NumOf(.25) }
	unmeasured := func(t *trial.Trial) { t.Result = trial.Result{} }
	leaning := func(t *trial.Trial) { t.Verdict.Result, t.Verdict.Leaning = trial.Undecided, trial.Pass }
	rowOf := func(n int) func(*trial.Trial) { return func(t *trial.Trial) { t.Options.InterOp = n } }
	more := func(t *trial.Trial) { t.Load.Concurrency = 40 }
	for _, c := range []struct {
		name   string
		trials []trial.Trial
		want   []int
	}{
		{"no trials", nil, nil},
		{"throughput", []trial.Trial{newTrial(1, 100, 50), newTrial(2, 300, 90), newTrial(3, 200, 10)}, []int{2, 3, 1}},
		{"pass before throughput", []trial.Trial{newTrial(1, 900, 120, failed), newTrial(2, 10, 50)}, []int{2, 1}},
		{"within noise, lower P99", []trial.Trial{newTrial(1, 104, 60), newTrial(2, 100, 40)}, []int{2, 1}},
		{"throughput and P99 within noise, fewer workers", []trial.Trial{newTrial(1, 104, 40, workers(4)), newTrial(2, 100, 41, workers(2))}, []int{2, 1}},
		{"then smaller batch", []trial.Trial{newTrial(1, 104, 40, batch(16)), newTrial(2, 100, 41, batch(8))}, []int{2, 1}},
		{"then FP32", []trial.Trial{newTrial(1, 104, 40, half), newTrial(2, 100, 41)}, []int{2, 1}},
		{"then shorter delay", []trial.Trial{newTrial(1, 104, 40, delay(time.Second)), newTrial(2, 100, 41)}, []int{2, 1}},
		{"then throughput, then the earlier", []trial.Trial{newTrial(3, 100, 41), newTrial(2, 100, 41), newTrial(1, 104, 41)}, []int{1, 2, 3}},
		{
			"a set of ties ends at an interval that does not overlap that of its first value",
			[]trial.Trial{newTrial(1, 100, 10), newTrial(2, 108, 20), newTrial(3, 116, 30)},
			[]int{2, 3, 1},
		},
		{
			"a wide interval does not come before a narrow one with a higher value",
			[]trial.Trial{newTrial(1, 200, 90), newTrial(2, 150, 80), newTrial(3, 100, 10, wide)},
			[]int{1, 3, 2},
		},
		{"a P99 with an open end equals any higher one", []trial.Trial{newTrial(1, 100, 20, open, workers(4)), newTrial(2, 101, 90)}, []int{2, 1}},
		{
			"the others by their distance from the limit",
			[]trial.Trial{newTrial(1, 900, 200, failed), newTrial(2, 100, 99, undecided), newTrial(3, 500, 110, failed), newTrial(4, 500, 105, undecided)},
			[]int{2, 4, 3, 1},
		},
		{
			"within the limit the throughput decides, and a failure comes after all that may pass",
			[]trial.Trial{newTrial(1, 110, 20, undecided), newTrial(2, 640, 98, undecided), newTrial(3, 900, 101, failed), newTrial(4, 700, 150, undecided)},
			[]int{2, 1, 4, 3},
		},
		{"the distance of a failure is at least its error rate", []trial.Trial{newTrial(1, 1, 1, errors), newTrial(2, 1, 120, failed), newTrial(3, 1, 130, failed)}, []int{2, 1, 3}},
		{"a trial without a measurement is last", []trial.Trial{newTrial(1, 0, 0, unmeasured), newTrial(2, 1, 900, failed)}, []int{2, 1}},
		{"live trials are omitted", []trial.Trial{newTrial(1, 900, 1, live), newTrial(2, 1, 1)}, []int{2}},
		{"a control is a run of its setting", []trial.Trial{newTrial(1, 500, 1), newTrial(2, 300, 1, control, rowOf(1)), newTrial(3, 450, 1)}, []int{3, 1}},
		{"the median of the runs counts, not the highest", []trial.Trial{newTrial(1, 560, 1), newTrial(2, 471, 1), newTrial(3, 378, 1, rowOf(1), control)}, []int{2, 1}},
		{
			"a validation is the representative of its setting, which fails if it fails",
			[]trial.Trial{newTrial(1, 560, 50), newTrial(2, 471, 50), newTrial(3, 550, 120, rowOf(1), validation, failed)},
			[]int{2, 3},
		},
		{"a setting under another load is another row", []trial.Trial{newTrial(1, 500, 50), newTrial(2, 700, 150, rowOf(1), more, failed)}, []int{1, 2}},
		{"a likely pass is ranked with the passes", []trial.Trial{newTrial(1, 500, 50, leaning), newTrial(2, 300, 50), newTrial(3, 900, 99, undecided)}, []int{1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, numbers(c.trials, rank.Rules{}.Rank(c.trials))); diff != "" {
				t.Errorf("Rank (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRankByObjectiveAndConstraints(t *testing.T) {
	few := newTrial(1, 100, 50)
	many := newTrial(2, 900, 50, set(func(s *knob.Settings) { s.Workers = 8 }))
	few.Counts.OK, few.Use.GPU.EnergyJ = 1000, trial.NumOf(10)
	many.Counts.OK, many.Use.GPU.EnergyJ = 9000, trial.NumOf(900)
	few.Use.RSSMB, many.Use.RSSMB = trial.NumOf(500), trial.NumOf(4000)
	unmeasured := newTrial(3, 950, 50, set(func(s *knob.Settings) { s.Workers = 9 }))
	trials := []trial.Trial{few, many, unmeasured}
	for _, c := range []struct {
		name  string
		rules rank.Rules
		want  []int
	}{
		{"throughput", rank.Rules{}, []int{3, 2, 1}},
		{"fewest workers", rank.Rules{Objective: plan.FewestWorkers}, []int{1, 2, 3}},
		{"energy; not measured is last", rank.Rules{Objective: plan.RequestsPerJoule}, []int{1, 2, 3}},
		{"memory; not measured does not meet the constraint", rank.Rules{Constraints: plan.Constraints{MemoryMB: 1000}}, []int{1, 3, 2}},
	} {
		if diff := cmp.Diff(c.want, numbers(trials, c.rules.Rank(trials))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	p := plan.Default()
	p.Objective, p.Constraints.MemoryMB = plan.FewestWorkers, 7
	one := rank.Rules{Objective: plan.FewestWorkers, Constraints: plan.Constraints{MemoryMB: 7}}
	if diff := cmp.Diff(one, rank.RulesOf(p)); diff != "" {
		t.Errorf("RulesOf (-want +got):\n%s", diff)
	}
	p.Loads = []load.Spec{{Concurrency: 10}, {Mode: load.Open, Rate: 200}}
	several := one
	several.Loads = p.Loads
	if diff := cmp.Diff(several, rank.RulesOf(p)); diff != "" {
		t.Errorf("RulesOf with two loads (-want +got):\n%s", diff)
	}
	p.Question = plan.Capacity
	if r := rank.RulesOf(p); r.Loads != nil {
		t.Errorf("loads of a search for the highest rate: %v", r.Loads)
	}
}

func TestBest(t *testing.T) {
	best := func(trials ...trial.Trial) (n int, meets bool) {
		row, ok := rank.New(rank.Rules{}, trials).Best()
		if !ok {
			return 0, false
		}
		return row.Joined.N, rank.Rules{}.Meets(row.Joined)
	}
	if n, meets := best(); n != 0 || meets {
		t.Errorf("best without trials = %d, %v", n, meets)
	}
	trials := []trial.Trial{newTrial(1, 900, 150, failed), newTrial(2, 900, 120, failed)}
	if n, meets := best(trials...); n != 2 || meets {
		t.Errorf("best of failures = %d, %v, want the one nearest to the limit: 2, false", n, meets)
	}
	trials = append(trials, newTrial(3, 5, 99))
	if n, meets := best(trials...); n != 3 || !meets {
		t.Errorf("best = %d, %v, want 3, true", n, meets)
	}
	again := newTrial(4, 4, 130, failed)
	again.Role, again.Options = trial.RoleControl, trials[2].Options
	if n, meets := best(append(trials, again)...); n != 3 || meets {
		t.Errorf("best = %d, %v after its control failed, want 3, false", n, meets)
	}
}

// TestRanking checks both orders of the rows, and that Row finds the row of each trial.
func TestRanking(t *testing.T) {
	again := newTrial(3, 95, 50)
	again.Role, again.Options = trial.RoleControl, newTrial(1, 0, 0).Options
	live := newTrial(4, 900, 1)
	live.Role = trial.RoleLive
	k := rank.New(rank.Rules{}, []trial.Trial{newTrial(1, 100, 50), newTrial(2, 300, 90), again, live})
	var byTrial, ordered []int
	for _, r := range k.Rows {
		byTrial = append(byTrial, r.Joined.N)
	}
	for _, r := range k.InOrder() {
		ordered = append(ordered, r.Joined.N)
	}
	if diff := cmp.Diff([][]int{{1, 2}, {2, 1}}, [][]int{byTrial, ordered}); diff != "" {
		t.Errorf("rows in the order of trials, and ranked (-want +got):\n%s", diff)
	}
	for i, want := range []int{1, 2, 1, 4} {
		if got := k.Row(i).Joined.N; got != want {
			t.Errorf("the representative of the row of trial %d is %d, want %d", i+1, got, want)
		}
	}
}

func TestWithinNoise(t *testing.T) {
	none := trial.Trial{}
	for _, c := range []struct {
		a, b trial.Trial
		want bool
	}{
		{newTrial(1, 100, 1), newTrial(2, 109, 1), true},
		{newTrial(1, 100, 1), newTrial(2, 111, 1), false},
		{newTrial(1, 100, 1), none, false},
	} {
		if got := rank.WithinNoise(c.a, c.b); got != c.want || rank.WithinNoise(c.b, c.a) != got {
			t.Errorf("WithinNoise(%v, %v) = %v, want %v both ways", c.a.Throughput, c.b.Throughput, got, c.want)
		}
	}
}

// randomTrials returns random trials with different numbers, many of which are equal within noise.
func randomTrials(r *rand.Rand) []trial.Trial {
	num := func(v float64) trial.Num {
		if r.IntN(12) == 0 {
			return trial.Num{}
		}
		return trial.NumOf(v)
	}
	out := make([]trial.Trial, 1+r.IntN(12))
	for i := range out {
		t := newTrial(i+1, float64(100+10*r.IntN(4)), float64(80+5*r.IntN(8)))
		t.Options.InterOp = 0
		half := float64(r.IntN(20))
		v := t.Throughput.Value.Or(0)
		t.Throughput = trial.Estimate{Value: num(v), Low: num(v - half), High: num(v + half)}
		t.Verdict.Result = trial.Answer(r.IntN(3))
		t.Verdict.ValueMS, t.Verdict.HighMS = num(t.Verdict.ValueMS.Or(0)), num(t.Verdict.HighMS.Or(0))
		t.Verdict.ErrorRate = trial.NumOf(float64(r.IntN(2)) / 4)
		t.Settings.Workers, t.Settings.BatchSize, t.Settings.QueueSize = 1+r.IntN(2), 1+r.IntN(2), 100+r.IntN(3)
		t.Verdict.Leaning = trial.Answer(r.IntN(3))
		t.Use.RSSMB = num(float64(r.IntN(20)))
		t.Role = []trial.Role{trial.RoleLoad, trial.RoleLoad, trial.RoleValidation, trial.RoleControl, trial.RoleLive}[r.IntN(5)]
		out[i] = t
	}
	return out
}

// joined returns the joined trial of each row by the index of its representative.
func throughputRange(trials []trial.Trial) map[int]trial.Trial {
	out := map[int]trial.Trial{}
	for _, r := range rank.Rows(trials) {
		out[r.Representative] = r.Joined
	}
	return out
}

// TestOrderOfRandomTrials checks that the order does not depend on the order of the trials, that
// every row is in it once, and that the rows that meet the rules are first.
func TestOrderOfRandomTrials(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 2000 {
		trials := randomTrials(r)
		rules := rank.Rules{Objective: plan.Objective(r.IntN(3)), Constraints: plan.Constraints{MemoryMB: r.IntN(15)}}
		order := rules.Rank(trials)
		want := numbers(trials, order)
		rows, others := throughputRange(trials), false
		if len(order) != len(rows) {
			t.Fatalf("%d trials in the order, want one for each of %d rows", len(order), len(rows))
		}
		for _, i := range order {
			row, ok := rows[i]
			if !ok || trials[i].Role == trial.RoleLive {
				t.Fatalf("%d is no representative, or is in %v twice", i, order)
			}
			delete(rows, i)
			meets := rules.Meets(row)
			if meets && others {
				t.Fatalf("a row that meets the SLA is after one that does not: %v", want)
			}
			others = others || !meets
		}
		r.Shuffle(len(trials), func(i, j int) { trials[i], trials[j] = trials[j], trials[i] })
		if diff := cmp.Diff(want, numbers(trials, rules.Rank(trials))); diff != "" {
			t.Fatalf("the order depends on the order of the trials (-before +after):\n%s", diff)
		}
	}
}

// TestBestIsNotCertainlyWorse checks that the interval of the best row overlaps that of the row with
// the highest throughput.
func TestBestIsNotCertainlyWorse(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		trials := randomTrials(r)
		order := rank.Rules{}.Rank(trials)
		if len(order) == 0 {
			continue
		}
		rows := throughputRange(trials)
		best := rows[order[0]]
		if !(rank.Rules{}).Meets(best) {
			continue
		}
		top := trial.Trial{}
		for _, row := range rows {
			v, ok := row.Throughput.Value.Get()
			if ok && row.Verdict.Likely() == trial.Pass && v > top.Throughput.Value.Or(0) {
				top = row
			}
		}
		if best.Throughput.Value.Or(0) < top.Throughput.Value.Or(0) && !rank.WithinNoise(best, top) {
			t.Fatalf("best %+v is certainly below %+v", best.Throughput, top.Throughput)
		}
	}
}

func BenchmarkRank(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 6))
	var trials []trial.Trial
	for len(trials) < 200 {
		trials = append(trials, randomTrials(r)...)
	}
	b.ReportAllocs()
	for b.Loop() {
		rank.Rules{}.Rank(trials)
	}
}
