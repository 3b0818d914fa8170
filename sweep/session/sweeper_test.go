package session

import (
	"testing"

	"sweetspot/sweep/trial"
)

// A trial that follows those taken over, some of which are left out, sees other
// arrivals than each of them.
func TestFreshSeeds(t *testing.T) {
	for _, c := range []struct {
		seed uint64
		old  []uint64
		want uint64 // the Runner adds the number of trials before
	}{
		{1, nil, 1},
		{1, []uint64{1, 2, 3}, 1},
		{1, []uint64{1, 5}, 4},
		{1, []uint64{5}, 5},
		{9, []uint64{1, 5}, 9},
		{0, []uint64{0, 1, 2}, 0},
		{2, []uint64{0, 0, 0}, 2},
	} {
		var old []trial.Trial
		for _, s := range c.old {
			old = append(old, trial.Trial{Seed: s})
		}
		got := fresh(c.seed, old)
		if got != c.want {
			t.Errorf("fresh(%d, %v) = %d, want %d", c.seed, c.old, got, c.want)
		}
		for _, s := range c.old {
			if next := got + uint64(len(c.old)); s >= next {
				t.Errorf("fresh(%d, %v): the next seed is %d", c.seed, c.old, next)
			}
		}
	}
}
