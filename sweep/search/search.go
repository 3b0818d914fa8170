// Package search has the strategies of a sweep, which decide the next point, and explains the
// result.
//
// [Complete] fills in what a plan leaves to its strategy and rejects unknown strategies. [New]
// makes the strategy for the points of the plan. An [Explainer] says in words why the best trial is
// the best; [ExplainNone] says why no trial meets the SLA. The order of trials is decided in
// package rank.
//
// Only one goroutine may use a Strategy. All functions are pure and safe for concurrent use.
package search

import (
	"fmt"
	"strings"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Strategy decides the next point from the results so far.
type Strategy interface {
	// Next returns the next point, or false if there is nothing left to try.
	Next(found trial.History) (plan.Point, bool)
	// Left estimates the number of points still to come.
	Left() int
	// Untried returns the number of untried points that may keep the promise, if the strategy has
	// ended without a point that keeps it; otherwise 0.
	Untried() int
	// Impossible says why no point can keep the promise at any load, if probes and a load test show
	// that this is certain; otherwise "".
	Impossible() string
	// Ended says in words why the strategy, which has ended, left points out; "" if it tried all.
	Ended() string
	// Outline describes what the strategy will do, one line each.
	Outline() []string
}

// strategyKind is one strategy.
type strategyKind struct {
	name             string
	defaultLoadTests int // default of the plan's budget; 0 is no limit
	newStrategy      func(plan.Plan, []plan.Point, trial.MetricSet) (Strategy, error)
}

// strategyKinds returns all strategies, the default first.
func strategyKinds() []strategyKind {
	return []strategyKind{
		{"auto", autoLoadTests, func(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
			return NewAuto(p, points, t)
		}},
		{"climb", 0, func(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
			return NewClimb(p, points, t)
		}},
		{"grid", 0, func(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
			if p.Question.SeeksRate() {
				return NewRateGrid(p, points, t)
			}
			return NewGrid(points), nil
		}},
	}
}

// Available returns the names of all strategies, the default first.
func Available() []string {
	var names []string
	for _, k := range strategyKinds() {
		names = append(names, k.name)
	}
	return names
}

// Complete fills in the strategy of p and what p leaves to it. If the strategy does not exist, the
// error names the existing ones.
func Complete(p plan.Plan) (plan.Plan, error) {
	k, err := findKind(p.Strategy)
	if err != nil {
		return p, err
	}
	p.Strategy = k.name
	if p.Budget.LoadTests == plan.Unset {
		p.Budget.LoadTests = k.defaultLoadTests
		if k.defaultLoadTests > 0 && !p.OfEngine() {
			p.Budget.LoadTests = unprobedLoadTests
		}
	}
	return p, nil
}

// New returns the strategy of a completed plan for its points, on a target with these measurements.
// New copies the points.
func New(p plan.Plan, points []plan.Point, t trial.MetricSet) (Strategy, error) {
	k, err := findKind(p.Strategy)
	if err != nil {
		return nil, err
	}
	s, err := k.newStrategy(p, points, t)
	if err == nil && p.Question == plan.Replicas {
		s = &replicas{s, p}
	}
	return s, err
}

func findKind(name string) (strategyKind, error) {
	all := strategyKinds()
	if name == "" {
		return all[0], nil
	}
	for _, k := range all {
		if k.name == name {
			return k, nil
		}
	}
	return strategyKind{}, fmt.Errorf("strategy: %q is not available; write %s", name, strings.Join(Available(), " or "))
}
