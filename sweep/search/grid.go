package search

import (
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Grid tries every point once, in order. It never leaves one out for what the
// others showed: who asks for a grid wants the whole table.
type Grid struct {
	points []plan.Point
	next   int
}

// NewGrid returns a grid over points.
func NewGrid(points []plan.Point) *Grid {
	return &Grid{points: slices.Clone(points)}
}

// Next returns the next point that no trial found so far has measured, so that a
// resumed sweep goes on where it stopped. A point is returned once, even if no
// trial came of it.
func (g *Grid) Next(found trial.History) (plan.Point, bool) {
	measured := map[measuredKey]bool{}
	for _, t := range found.Trials {
		if t.Role != trial.RoleControl && t.Role != trial.RoleLive { // these were not run to judge their settings
			measured[measuredKey{t.Settings, t.Load}] = true
		}
	}
	for g.next < len(g.points) {
		p := g.points[g.next]
		g.next++
		if measured[measuredKey{p.Settings, p.Load}] {
			continue
		}
		reason := fmt.Sprintf("grid %d of %d", g.next, len(g.points))
		if p.Reason != "" {
			reason += "; " + p.Reason
		}
		p.Reason = reason
		return p, true
	}
	return plan.Point{}, false
}

// Left is the number of points not returned yet.
func (g *Grid) Left() int { return len(g.points) - g.next }

// Untried is 0: a grid leaves nothing out.
func (g *Grid) Untried() int { return 0 }

// Impossible is "": a grid has no probes that would tell.
func (g *Grid) Impossible() string { return "" }

// Ended is "": a grid tries all.
func (g *Grid) Ended() string { return "" }

// Outline is one line: the points say the rest.
func (g *Grid) Outline() []string { return []string{"grid: every point in this order"} }

// RateGrid is a grid for the highest load: the rate search of every point in
// order, begun where probes of the service times and the simulator expect the
// answer. Like Auto it is a function of what it is shown.
type RateGrid struct {
	*oracle
	left int
	none string // why no point can keep the promise, by the last Next
}

// NewRateGrid returns the strategy over points, which stay the caller's.
func NewRateGrid(p plan.Plan, points []plan.Point, t trial.MetricSet) (*RateGrid, error) {
	o, err := newOracle(p, points, t)
	o.whole = true
	return &RateGrid{oracle: o, left: len(points)}, err
}

// Next returns the next rate of the first point whose search is not done.
func (g *RateGrid) Next(found trial.History) (plan.Point, bool) {
	if p, ok := g.probe(found.Probes); ok {
		return p, true
	}
	v := g.view(found)
	g.left, g.none = g.trialsOf(len(g.points)-len(v.tests)), v.certainNone()
	if v.open >= 0 {
		return v.goOn(), true
	}
	for i := range g.points {
		if !v.tried(i) {
			return v.begin(i, fmt.Sprintf("grid %d of %d", i+1, len(g.points))), true
		}
	}
	return plan.Point{}, false
}

// Left estimates the trials to come; probes are not counted.
func (g *RateGrid) Left() int { return g.left }

// Untried is 0: a grid leaves nothing out.
func (g *RateGrid) Untried() int { return 0 }

// Impossible says why no point can keep the promise at any load.
func (g *RateGrid) Impossible() string { return g.none }

// Ended is "": a grid tries all.
func (g *RateGrid) Ended() string { return "" }

// Outline says what is probed, and how a rate is looked for.
func (g *RateGrid) Outline() []string {
	return append(g.ratesOutline(), "grid: "+g.rateOutline()+", for every point in this order")
}

// measuredKey is what makes two measurements the same one.
type measuredKey struct {
	settings knob.Settings
	load     load.Spec
}
