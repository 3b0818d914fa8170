package sweep_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// shardRunner returns the sweep of runner as that of a shard, with a control of batch size 1.
func shardRunner(d *device, n *memoryRecorder) *sweep.Runner {
	r := runner(d, n, 20*ms)
	s := knob.Default(knob.TorchServe)
	r.Control = &plan.Control{Settings: s, Load: load.Spec{Mode: load.Closed, Concurrency: 8}}
	return r
}

// roles returns the role and the batch size of each trial.
func roles(trials []trial.Trial) (out []string) {
	for _, t := range trials {
		out = append(out, fmt.Sprintf("%s %d", t.Role, t.Settings.BatchSize))
	}
	return out
}

// TestControl: a shard measures its control before the first point and after the last one, and
// validates then.
func TestControl(t *testing.T) {
	n := &memoryRecorder{}
	r := shardRunner(&device{}, n)
	left := -1
	r.OnProgress = func(p sweep.Progress) {
		if left < 0 {
			left = p.Left
		}
	}
	out, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"control 1", "load 1", "load 2", "load 4", "load 8", "control 1", "validation 8"}
	if got := roles(n.trials); !slices.Equal(got, want) {
		t.Errorf("trials %q, want %q", got, want)
	}
	if out.Choice == nil || out.Choice.Settings.BatchSize != 8 || left < 6 {
		t.Errorf("choice %+v, %d points were left at first", out.Choice, left)
	}
}

// TestControlWithinBudget: points are left out for the last control, not the other way round.
func TestControlWithinBudget(t *testing.T) {
	n := &memoryRecorder{}
	r := shardRunner(&device{}, n)
	r.Trials = 4
	out, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := roles(n.trials), []string{"control 1", "load 1", "load 2", "control 1"}; !slices.Equal(got, want) {
		t.Errorf("trials %q, want %q", got, want)
	}
	if out.Ended != "budget of 4 trials used up" {
		t.Errorf("ended: %q", out.Ended)
	}
}

// TestControlDies: a control that cannot be measured is a failed trial, and the points are measured.
func TestControlDies(t *testing.T) {
	n := &memoryRecorder{}
	r := shardRunner(&device{die: map[int]bool{1: true}}, n)
	r.Time = 10 * time.Minute
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(n.trials) != 7 || n.trials[0].Error == "" || n.trials[5].Role != trial.RoleControl || n.trials[5].Error != "" {
		t.Errorf("trials %q, first error %q", roles(n.trials), n.trials[0].Error)
	}
}
