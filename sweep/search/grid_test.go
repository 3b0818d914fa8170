package search_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// A search.Strategy is a sweep.Strategy.
var _ sweep.Strategy = search.Strategy(nil)

func somePoints() []plan.Point {
	var out []plan.Point
	for workers := 1; workers <= 2; workers++ {
		for _, batch := range []int{1, 8} {
			s := knob.Default(knob.TorchServe)
			s.Workers, s.BatchSize = workers, batch
			out = append(out, plan.Point{Settings: s, Load: load.Spec{Concurrency: 10}, Role: trial.RoleLoad})
		}
	}
	out[3].Reason = "doubtful"
	return out
}

func TestGridTriesEveryPointOnceInOrder(t *testing.T) {
	points := somePoints()
	g := search.NewGrid(points)
	var done []trial.Trial
	var reasons []string
	for left := len(points); ; left-- {
		if g.Left() != left {
			t.Errorf("Left() = %d, want %d", g.Left(), left)
		}
		p, ok := g.Next(trial.History{Trials: done})
		if !ok {
			break
		}
		if want := points[len(done)]; p.Settings != want.Settings || p.Load != want.Load || p.Role != want.Role {
			t.Errorf("point %d is %v, want %v", len(done), p, want)
		}
		reasons = append(reasons, p.Reason)
		done = append(done, trial.Trial{Settings: p.Settings, Load: p.Load, Role: p.Role})
	}
	want := []string{"grid 1 of 4", "grid 2 of 4", "grid 3 of 4", "grid 4 of 4; doubtful"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestGridContinuesAfterAPointWithoutTrial(t *testing.T) {
	g := search.NewGrid(somePoints())
	n := 0
	for ; ; n++ {
		if _, ok := g.Next(trial.History{}); !ok {
			break
		}
	}
	if n != 4 {
		t.Errorf("%d points, want 4", n)
	}
}

func TestGridResumes(t *testing.T) {
	points := somePoints()
	measured := func(i int, role trial.Role) trial.Trial {
		return trial.Trial{Settings: points[i].Settings, Load: points[i].Load, Role: role}
	}
	g := search.NewGrid(points)
	done := []trial.Trial{measured(0, trial.RoleLoad), measured(1, trial.RoleControl), measured(2, trial.RoleLoad)}
	var got []plan.Point
	for p, ok := g.Next(trial.History{Trials: done}); ok; p, ok = g.Next(trial.History{Trials: done}) {
		got = append(got, p)
	}
	if len(got) != 2 || got[0].Settings != points[1].Settings || got[1].Settings != points[3].Settings {
		t.Errorf("resumed with %v, want the points 1 and 3", got)
	}
}

func TestGridKeepsItsOwnPoints(t *testing.T) {
	points := somePoints()
	first := points[0].Settings
	g := search.NewGrid(points)
	slices.Reverse(points)
	if p, _ := g.Next(trial.History{}); p.Settings != first {
		t.Error("the grid uses the slice of the caller")
	}
}

func TestComplete(t *testing.T) {
	p := plan.Default()
	got, err := search.Complete(p)
	if err != nil || got.Strategy != "auto" || got.Budget.LoadTests != 8 {
		t.Errorf("Complete(default) = %q, %d load tests, %v", got.Strategy, got.Budget.LoadTests, err)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("a completed plan is not valid: %v", err)
	}
	p.Budget.LoadTests = 5
	if got, err := search.Complete(p); err != nil || got.Budget.LoadTests != 5 {
		t.Errorf("an explicit number of load tests became %d, %v", got.Budget.LoadTests, err)
	}
	for _, name := range search.Available() {
		p.Strategy = name
		if _, err := search.Complete(p); err != nil {
			t.Errorf("Complete(%s): %v", name, err)
		}
		if _, err := search.New(p, nil, trial.AllMetrics()); err != nil {
			t.Errorf("New(%s): %v", name, err)
		}
	}
}

func TestCompleteUnknownStrategy(t *testing.T) {
	p := plan.Default()
	p.Strategy = "magic"
	want := `strategy: "magic" is not available; write auto or climb or grid`
	if _, err := search.Complete(p); err == nil || err.Error() != want {
		t.Errorf("Complete(magic) = %v, want %s", err, want)
	}
	if _, err := search.New(p, nil, trial.AllMetrics()); err == nil {
		t.Error("New(magic) is no error")
	}
}
