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
		if ranked(t) {
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

// measuredKey is what makes two measurements the same one.
type measuredKey struct {
	settings knob.Settings
	load     load.Spec
}
