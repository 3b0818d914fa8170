// Package search decides what a sweep tries next, and says why the best is best.
//
// [Settle] completes a plan with what its strategy wants and refuses what no
// strategy here can do; [New] makes the strategy over the plan's points.
// An [Explainer] says in words what the best trial owes its place to,
// [ExplainNone] why none keeps the promise. Which trial is best is decided in
// package rank.
//
// A Strategy belongs to one goroutine. Everything else is a pure function of
// its arguments and safe for concurrent use.
package search

import (
	"fmt"
	"strings"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Strategy decides the next point from what was found so far.
type Strategy interface {
	// Next returns the next point, or false when nothing is left to try.
	Next(found trial.History) (plan.Point, bool)
	// Left estimates how many points are still to come.
	Left() int
	// Untried is how many points that may keep the promise were left out by a
	// strategy that has nothing more to try and found none that does.
	Untried() int
	// Impossible says why no point can keep the promise at any load, where probes
	// and a test show that for certain; else "".
	Impossible() string
	// Ended says in words why a strategy that has nothing more to try left
	// points out; "" where it tried all.
	Ended() string
	// Outline says in words, a line each, what it will do.
	Outline() []string
}

// kind is one strategy there is.
type kind struct {
	name      string
	loadTests int // budget where the plan leaves it; 0 does not limit
	open      func(plan.Plan, []plan.Point, trial.MetricSet) (Strategy, error)
}

// kinds is the one table of strategies, the default first.
func kinds() []kind {
	return []kind{
		{"auto", autoLoadTests, func(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
			return NewAuto(p, points, t)
		}},
		{"climb", 0, func(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
			return NewClimb(p, points, t)
		}},
		{"grid", 0, func(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
			if p.Question == plan.Capacity {
				return NewRateGrid(p, points, t)
			}
			return NewGrid(points), nil
		}},
	}
}

// Available names the strategies there are, the default first.
func Available() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Settle fills in what p leaves to the strategy, and the strategy itself. It is
// an error that says what to write if p asks for one that does not exist.
func Settle(p plan.Plan) (plan.Plan, error) {
	k, err := find(p.Strategy)
	if err != nil {
		return p, err
	}
	p.Strategy = k.name
	if p.Budget.LoadTests == plan.Unset {
		p.Budget.LoadTests = k.loadTests
	}
	return p, nil
}

// New returns the strategy of a settled plan over its points, which stay the
// caller's, for a target that tells so much.
func New(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
	k, err := find(p.Strategy)
	if err != nil {
		return nil, err
	}
	return k.open(p, points, t)
}

func find(name string) (kind, error) {
	all := kinds()
	if name == "" {
		return all[0], nil
	}
	for _, k := range all {
		if k.name == name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("strategy: %q is not available; write %s", name, strings.Join(Available(), " or "))
}
