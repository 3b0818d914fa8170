package rank_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// TestAccept: which settings are looked at, which one is chosen, and which is left
// open, by the batch size that names them; 0 is none. What passed looks like a
// pass at 50 ms of 100.
func TestAccept(t *testing.T) {
	batch := func(n int) func(*trial.Trial) { return func(t *trial.Trial) { t.Settings.BatchSize = n } }
	more := func(t *trial.Trial) { t.Load.Concurrency = 40 }
	at := func(rate float64) func(*trial.Trial) {
		return func(t *trial.Trial) { t.Load = load.Spec{Mode: load.Open, Rate: rate} }
	}
	over := func(t *trial.Trial) { t.Verdict.ValueMS = trial.NumOf(110) }
	highest := rank.Rules{Question: plan.Capacity}
	type T = []trial.Trial
	for _, c := range []struct {
		name       string
		rules      rank.Rules
		trials     T
		favourites []int
		chosen     int
		open       int
	}{
		{"nothing", rank.Rules{}, nil, nil, 0, 0},
		{"the faster one first, and none is validated", rank.Rules{}, T{ran(100, batch(1)), ran(200, batch(2), likely)}, []int{2, 1}, 0, 2},
		{"the validated one, though a favourite is faster", rank.Rules{}, T{ran(100, batch(1), long), ran(200, batch(2))}, []int{2, 1}, 1, 2},
		{"a validation left open is no choice", rank.Rules{}, T{ran(200, batch(2)), ran(190, batch(2), long, likely)}, []int{2}, 0, 2},
		{"one that failed is no favourite", rank.Rules{}, T{ran(100, batch(1)), ran(200, batch(2)), ran(190, batch(2), long, fails)}, []int{1}, 0, 1},
		{"what could not be told, within the limit", rank.Rules{}, T{ran(100, batch(1), open), ran(200, batch(2), open), ran(300, batch(4), open, over)}, nil, 0, 2},
		{"what leans to a failure is not hopeful", rank.Rules{}, T{ran(100, batch(1), hardly)}, nil, 0, 0},
		{"a validation that leans nowhere comes last", rank.Rules{}, T{ran(100, batch(1), open), ran(200, batch(2), long, open)}, nil, 0, 1},
		{"and is better than nothing", rank.Rules{}, T{ran(100, batch(1), fails), ran(200, batch(2), long, open)}, nil, 0, 2},
		{
			"a setting that fails under another load comes after those that do not",
			rank.Rules{},
			T{ran(100, batch(1)), ran(200, batch(2)), ran(300, batch(2), more, fails)},
			[]int{1, 2},
			0, 1,
		},
		{
			"of a highest rate nothing counts from the lowest on that failed", highest,
			T{ran(100, batch(1), at(100)), ran(200, batch(2), at(200)), ran(150, batch(2), at(150), fails)},
			[]int{1},
			0, 1,
		},
		{
			"nor from one on that a validation left open", highest,
			T{ran(100, batch(1), at(100)), ran(200, batch(2), at(200)), ran(150, batch(2), at(150), long, likely)},
			[]int{1},
			0, 1,
		},
		{
			"a lower rate may still be the choice", highest,
			T{ran(200, batch(2), at(200), fails), ran(150, batch(2), at(150), long)},
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
		named := func(r rank.Row, ok bool) int {
			if !ok {
				return 0
			}
			return r.Joined.Settings.BatchSize
		}
		var favourites []int
		for _, r := range k.Candidates() {
			favourites = append(favourites, named(r, true))
		}
		if diff := cmp.Diff(c.favourites, favourites); diff != "" {
			t.Errorf("%s: favourites (-want +got):\n%s", c.name, diff)
		}
		if chosen, open := named(k.Chosen()), named(k.Unconfirmed()); chosen != c.chosen || open != c.open {
			t.Errorf("%s: chosen %d, open %d; want %d, %d", c.name, chosen, open, c.chosen, c.open)
		}
	}
}
