package rank_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// TestSelection checks which rows are candidates, which one is chosen, and which is unconfirmed. Each
// row is given by its batch size; 0 is none. The percentile is 50 ms with a limit of 100 ms.
func TestSelection(t *testing.T) {
	batch := func(n int) func(*trial.Trial) { return func(t *trial.Trial) { t.Settings.BatchSize = n } }
	more := func(t *trial.Trial) { t.Load.Concurrency = 40 }
	at := func(rate float64) func(*trial.Trial) {
		return func(t *trial.Trial) { t.Load = load.Spec{Mode: load.Open, Rate: rate} }
	}
	over := func(t *trial.Trial) { t.Verdict.ValueMS = trial.NumOf(110) }
	capacity := rank.Rules{Question: plan.Capacity}
	wrongFP16 := func(t *trial.Trial) {
		t.Settings.Precision, t.FP16 = knob.HalfPrecision, &trial.FP16Agreement{Samples: 16, Agree: 15}
	}
	mixed := func(t *trial.Trial) { t.Answers = &trial.AnswerCheck{Compared: 16, Differ: 3} }
	large := func(t *trial.Trial) { t.Use.RSSMB = trial.NumOf(900) }
	type T = []trial.Trial
	for _, c := range []struct {
		name        string
		rules       rank.Rules
		trials      T
		candidates  []int
		chosen      int
		unconfirmed int
	}{
		{"no trials", rank.Rules{}, nil, nil, 0, 0},
		{"the faster one is first; none is validated", rank.Rules{}, T{run(100, batch(1)), run(200, batch(2), likely)}, []int{2, 1}, 0, 2},
		{"the validated one, although another candidate is faster", rank.Rules{}, T{run(100, batch(1), validation), run(200, batch(2))}, []int{2, 1}, 1, 2},
		{"an undecided validation is no choice", rank.Rules{}, T{run(200, batch(2)), run(190, batch(2), validation, likely)}, []int{2}, 0, 2},
		{"one that failed its validation is no candidate", rank.Rules{}, T{run(100, batch(1)), run(200, batch(2)), run(190, batch(2), validation, fails)}, []int{1}, 0, 1},
		{"undecided rows within the limit", rank.Rules{}, T{run(100, batch(1), undecided), run(200, batch(2), undecided), run(300, batch(4), undecided, over)}, nil, 0, 2},
		{"a likely failure", rank.Rules{}, T{run(100, batch(1), unlikely)}, nil, 0, 0},
		{"an undecided validation without a leaning is last", rank.Rules{}, T{run(100, batch(1), undecided), run(200, batch(2), validation, undecided)}, nil, 0, 1},
		{"but before a failure", rank.Rules{}, T{run(100, batch(1), fails), run(200, batch(2), validation, undecided)}, nil, 0, 2},
		{
			"a setting that fails under another load comes after those that do not",
			rank.Rules{},
			T{run(100, batch(1)), run(200, batch(2)), run(300, batch(2), more, fails)},
			[]int{1, 2},
			0, 1,
		},
		{"fp16 that disagrees is no candidate", rank.Rules{}, T{run(100, batch(1)), run(200, batch(2), wrongFP16, validation)}, []int{1}, 0, 1},
		{"nor is it chosen while undecided", rank.Rules{}, T{run(200, batch(2), wrongFP16, undecided), run(200, batch(4), wrongFP16, validation, undecided)}, nil, 0, 0},
		{"unless it is accepted", rank.Rules{AcceptFP16: true}, T{run(100, batch(1)), run(200, batch(2), wrongFP16, validation)}, []int{2, 1}, 2, 2},
		{"answers that differ in one run fail the row", rank.Rules{AcceptFP16: true}, T{run(100, batch(1)), run(200, batch(2), mixed), run(200, batch(2), validation)}, []int{1}, 0, 1},
		{"a row above a constraint is no candidate", rank.Rules{Constraints: plan.Constraints{MemoryMB: 800}}, T{run(200, batch(2), large, validation)}, nil, 0, 0},
		{
			"for capacity, rates from the lowest failed one on are omitted", capacity,
			T{run(100, batch(1), at(100)), run(200, batch(2), at(200)), run(150, batch(2), at(150), fails)},
			[]int{1},
			0, 1,
		},
		{
			"and rates from the lowest undecided validation on", capacity,
			T{run(100, batch(1), at(100)), run(200, batch(2), at(200)), run(150, batch(2), at(150), validation, likely)},
			[]int{1},
			0, 1,
		},
		{
			"a lower rate may be chosen", capacity,
			T{run(200, batch(2), at(200), fails), run(150, batch(2), at(150), validation)},
			[]int{2},
			2, 2,
		},
	} {
		for i := range c.trials {
			c.trials[i].N, c.trials[i].Verdict.LimitMS = i+1, 100
			if !c.trials[i].Verdict.ValueMS.OK() {
				c.trials[i].Verdict.ValueMS = trial.NumOf(50)
			}
		}
		k := rank.New(c.rules, c.trials)
		batchSize := func(r rank.Row, ok bool) int {
			if !ok {
				return 0
			}
			return r.Joined.Settings.BatchSize
		}
		var candidates []int
		for _, r := range k.Candidates() {
			candidates = append(candidates, batchSize(r, true))
		}
		if diff := cmp.Diff(c.candidates, candidates); diff != "" {
			t.Errorf("%s: candidates (-want +got):\n%s", c.name, diff)
		}
		if chosen, unconfirmed := batchSize(k.Chosen()), batchSize(k.Unconfirmed()); chosen != c.chosen || unconfirmed != c.unconfirmed {
			t.Errorf("%s: chosen %d, unconfirmed %d; want %d, %d", c.name, chosen, unconfirmed, c.chosen, c.unconfirmed)
		}
	}
}

// TestConfirmedBelow: a rate that passed narrowly is chosen unless a lower one of the same settings was confirmed.
func TestConfirmedBelow(t *testing.T) {
	at := func(rate, high float64) func(*trial.Trial) {
		return func(t *trial.Trial) {
			t.Load = load.Spec{Mode: load.Open, Rate: rate}
			t.Verdict.ValueMS, t.Verdict.HighMS, t.Verdict.LimitMS = trial.NumOf(90), trial.NumOf(high), 100
		}
	}
	other := func(t *trial.Trial) { t.Settings.BatchSize = 2 }
	capacity, throughput := rank.Rules{Question: plan.Capacity}, rank.Rules{}
	for _, c := range []struct {
		name   string
		rules  rank.Rules
		trials []trial.Trial
		rate   float64
	}{
		{"nothing below", capacity, []trial.Trial{run(100, at(100, 101), validation)}, 100},
		{"a narrow pass", capacity, []trial.Trial{run(100, at(100, 101), validation), run(97, at(97, 95), validation)}, 97},
		{"the highest below", capacity, []trial.Trial{run(100, at(100, 101), validation), run(90, at(90, 95), validation), run(97, at(97, 101), validation)}, 97},
		{"a clear pass", capacity, []trial.Trial{run(100, at(100, 99), validation), run(97, at(97, 95), validation)}, 100},
		{"two narrow passes", capacity, []trial.Trial{run(100, at(100, 101), validation), run(100, at(100, 101), validation), run(97, at(97, 95), validation)}, 100},
		{"other settings below", capacity, []trial.Trial{run(100, at(100, 101), validation), run(97, other, at(97, 95), validation)}, 100},
		{"below, but not validated", capacity, []trial.Trial{run(100, at(100, 101), validation), run(97, at(97, 95))}, 100},
		{"another number of replicas", rank.Rules{Question: plan.Replicas, Rate: 200}, []trial.Trial{run(100, at(100, 101), validation), run(67, at(66, 95), validation)}, 100},
		{"another question", throughput, []trial.Trial{run(100, at(100, 101), validation), run(97, at(97, 95), validation)}, 100},
	} {
		for i := range c.trials {
			c.trials[i].N = i + 1
		}
		if r, ok := rank.New(c.rules, c.trials).Chosen(); !ok || r.Joined.Load.Rate != c.rate {
			t.Errorf("%s: chosen %g/s, %v; want %g/s", c.name, r.Joined.Load.Rate, ok, c.rate)
		}
	}
}

// TestConfirmedBelowKeepsTheConstraints: a lower rate that exceeds a constraint confirms no narrow pass.
func TestConfirmedBelowKeepsTheConstraints(t *testing.T) {
	at := func(rate, mb float64) func(*trial.Trial) {
		return func(t *trial.Trial) {
			t.Load, t.Use.RSSMB = load.Spec{Mode: load.Open, Rate: rate}, trial.NumOf(mb)
			t.Verdict.LimitMS, t.Verdict.HighMS = 100, trial.NumOf(101)
		}
	}
	trials := numbered(run(100, validation, at(100, 90)), run(97, validation, at(97, 500)))
	k := rank.New(rank.Rules{Question: plan.Capacity, Constraints: plan.Constraints{MemoryMB: 100}}, trials)
	if r, ok := k.Chosen(); !ok || r.Joined.N != 1 {
		t.Errorf("chosen: trial %d, %v; want trial 1", r.Joined.N, ok)
	}
}
