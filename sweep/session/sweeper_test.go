package session

import (
	"testing"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// A new trial has other arrivals than each old one, also if some of the old ones are not used.
func TestUnusedSeed(t *testing.T) {
	for _, c := range []struct {
		seed uint64
		old  []uint64
		want uint64 // without the number of trials, which the Runner adds
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
		got := unusedSeed(c.seed, old)
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

// TestExitCodeOfLoads: with several loads the exit code is 0 only if the choice was validated under each of them.
func TestExitCodeOfLoads(t *testing.T) {
	light, heavy := load.Spec{Concurrency: 8}, load.Spec{Concurrency: 40}
	ran := func(n int, l load.Spec, role trial.Role, answer trial.Answer) trial.Trial {
		x := trial.Trial{N: n, Role: role, Load: l}
		x.Verdict.Result = answer
		return x
	}
	chosen := ran(1, light, trial.RoleValidation, trial.Pass)
	held := func(a trial.Answer) *HoldState { return &HoldState{Result: &trial.Hold{Result: a}} }
	for _, c := range []struct {
		name  string
		other []trial.Trial
		hold  *HoldState
		want  int
	}{
		{"not measured", nil, nil, 3},
		{"measured, not validated", []trial.Trial{ran(2, heavy, trial.RoleLoad, trial.Pass)}, nil, 3},
		{"validated", []trial.Trial{ran(2, heavy, trial.RoleValidation, trial.Pass)}, nil, 0},
		{"failed", []trial.Trial{ran(2, heavy, trial.RoleValidation, trial.Fail)}, nil, 3},
		{"not measured, but held", nil, held(trial.Pass), 3},
		{"not measured, and broken", nil, held(trial.Fail), 2},
		{"validated and held", []trial.Trial{ran(2, heavy, trial.RoleValidation, trial.Pass)}, held(trial.Pass), 0},
	} {
		s := Sweep{Choice: &trial.Choice{N: 1}, Trials: append([]trial.Trial{chosen}, c.other...), Hold: c.hold}
		s.Plan.Loads = []load.Spec{light, heavy}
		if got := ExitCode(s); got != c.want {
			t.Errorf("%s: exit %d, want %d", c.name, got, c.want)
		}
	}
}

// The exit code is 0 only with a choice, and 2 only if every setting fails.
func TestExitCode(t *testing.T) {
	ran := func(batch int, role trial.Role, answer trial.Answer) trial.Trial {
		x := trial.Trial{Role: role}
		x.Settings.BatchSize, x.Verdict.Result = batch, answer
		return x
	}
	fails := ran(1, trial.RoleLoad, trial.Fail)
	passes := ran(2, trial.RoleLoad, trial.Pass)
	for _, c := range []struct {
		name  string
		sweep Sweep
		want  int
	}{
		{"a choice", Sweep{Choice: &trial.Choice{}, Trials: []trial.Trial{passes}}, 0},
		{"nothing measured", Sweep{}, 3},
		{"nothing can", Sweep{Impossible: "a batch of 1 takes longer"}, 2},
		{"all fail", Sweep{Trials: []trial.Trial{fails, ran(2, trial.RoleLoad, trial.Fail)}}, 2},
		{"all fail so far", Sweep{State: Aborted, Trials: []trial.Trial{fails}}, 3},
		{"all that were tried fail", Sweep{Untried: 3, Trials: []trial.Trial{fails}}, 3},
		{"one is undecided", Sweep{Trials: []trial.Trial{fails, ran(2, trial.RoleLoad, trial.Undecided)}}, 3},
		{"a pass that nothing confirmed", Sweep{Trials: []trial.Trial{fails, passes}}, 3},
		{"its validation is undecided", Sweep{Trials: []trial.Trial{fails, passes, ran(2, trial.RoleValidation, trial.Undecided)}}, 3},
		{"its validation failed", Sweep{Trials: []trial.Trial{fails, passes, ran(2, trial.RoleValidation, trial.Fail)}}, 2},
		{"a live trial says nothing", Sweep{Trials: []trial.Trial{fails, ran(3, trial.RoleLive, trial.Pass)}}, 2},
	} {
		if got := ExitCode(c.sweep); got != c.want {
			t.Errorf("%s: exit %d, want %d", c.name, got, c.want)
		}
	}
}
