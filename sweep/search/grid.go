package search

import (
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Grid tries every point once, in order. It never leaves out a point because of the results of
// others.
type Grid struct {
	points []plan.Point
	next   int
}

// NewGrid returns a grid of the points, which it copies.
func NewGrid(points []plan.Point) *Grid {
	return &Grid{points: slices.Clone(points)}
}

// Next returns the next point without a trial, so that a resumed sweep continues where it was
// interrupted. It returns each point once, even if there is no trial of it afterwards.
func (g *Grid) Next(found trial.History) (plan.Point, bool) {
	measured := map[measuredKey]bool{}
	for _, t := range found.Trials {
		if t.Role != trial.RoleControl && t.Role != trial.RoleLive { // these are no load tests
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

// Left returns the number of points that Next has not returned.
func (g *Grid) Left() int { return len(g.points) - g.next }

// Untried is 0: a grid leaves nothing out.
func (g *Grid) Untried() int { return 0 }

// Impossible is "": a grid makes no probes that could show it.
func (g *Grid) Impossible() string { return "" }

// Ended is "": a grid tries all points.
func (g *Grid) Ended() string { return "" }

// Outline is one line: the points themselves are listed elsewhere.
func (g *Grid) Outline() []string { return []string{"grid: every point in this order"} }

// RateGrid searches the highest rate of every point, in order. Each search starts at the rate that
// the simulator predicts from probes. Like Auto it depends only on the plan, the points and the
// history.
type RateGrid struct {
	*predictor
	remaining        int
	impossibleReason string // why no point can keep the promise, at the last Next
}

// NewRateGrid returns the strategy for the points, which it copies.
func NewRateGrid(p plan.Plan, points []plan.Point, t trial.MetricSet) (*RateGrid, error) {
	pr, err := newPredictor(p, points, t)
	pr.everyPoint = true
	return &RateGrid{predictor: pr, remaining: len(points)}, err
}

// Next returns the next rate of the first point whose search has not ended.
func (g *RateGrid) Next(found trial.History) (plan.Point, bool) {
	if p, ok := g.probe(found.Probes); ok {
		return p, true
	}
	v := g.view(found)
	g.remaining, g.impossibleReason = g.trialsFor(len(g.points)-len(v.tests)), v.confirmedReason()
	if v.unfinished >= 0 {
		return v.nextRate(), true
	}
	for i := range g.points {
		if !v.tried(i) {
			return v.startRateSearch(i, fmt.Sprintf("grid %d of %d", i+1, len(g.points))), true
		}
	}
	return plan.Point{}, false
}

// Left estimates the number of trials still to come, without probes.
func (g *RateGrid) Left() int { return g.remaining }

// Untried is 0: a grid leaves nothing out.
func (g *RateGrid) Untried() int { return 0 }

// Impossible says why no point can keep the promise at any load.
func (g *RateGrid) Impossible() string { return g.impossibleReason }

// Ended is "": a grid tries all points.
func (g *RateGrid) Ended() string { return "" }

// Outline says what is probed, and how the highest rate is searched.
func (g *RateGrid) Outline() []string {
	return append(g.probesOutline(), "grid: "+g.rateSearchOutline()+", for every point in this order")
}

// measuredKey identifies a measurement: settings and load.
type measuredKey struct {
	settings knob.Settings
	load     load.Spec
}
