package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
)

// What pollution is judged over, and how many clean blocks a figure of a run
// needs. The kernel's counters want 100 ms at the least.
const (
	noiseBlock  = 500 * time.Millisecond
	fewestClean = 5
)

// watchedRun is a run of the generator, and what others took of the machine in
// each of its blocks.
type watchedRun struct {
	load.Result
	start  time.Time
	blocks []sweep.Disturbance
	clean  int
}

// watchRun runs the load. All requests have to be answered.
func watchRun(ctx context.Context, c load.Config, noise judge.Noise) (watchedRun, error) {
	w := watchedRun{start: time.Now()}
	begun, at := time.Time{}, time.Duration(0)
	c.Block = min(noiseBlock, c.Limit/4)
	note := func(elapsed time.Duration) {
		n := noise()
		b := sweep.Disturbance{From: at, To: elapsed, Steal: n.Steal, Foreign: n.Foreign}
		if at = elapsed; b.Why() == "" {
			w.clean++
		}
		w.blocks = append(w.blocks, b)
	}
	c.OnBlock = func(elapsed time.Duration, _ []load.Sample) bool {
		// Whoever comes late to a clock sees a late start: the first is the truth.
		if s := time.Now().Add(-elapsed); begun.IsZero() || s.Before(begun) {
			begun = s
		}
		note(elapsed)
		return false
	}
	noise() // what was before is nobody's
	var err error
	if w.Result, err = load.Run(ctx, c); err != nil {
		return w, err
	}
	if begun.IsZero() {
		return w, fmt.Errorf("a run of %v is too short to be watched", c.Limit)
	}
	w.start = begun
	note(time.Since(begun))
	if n := load.Count(w.Samples); n.OK != w.Planned {
		return w, fmt.Errorf("%d of %d requests failed: status %v %s", w.Planned-n.OK, w.Planned, n.Status, w.Err)
	}
	return w, nil
}

// keeps tells whether figures count what happened at a time of the run: in a
// clean block, or in any block if there are too few clean ones.
func (w watchedRun) keeps(t time.Duration) bool {
	if w.clean < fewestClean {
		return true
	}
	for _, b := range w.blocks {
		if t >= b.From && t < b.To {
			return b.Why() == ""
		}
	}
	return false
}

// figure is a figure of the blocks that are kept. If too few are clean it is of
// all, and unless is all that is known of it.
func (w watchedRun) figure(name string, v float64, unit, detail string, unless stat.Interval) judge.Figure {
	if w.clean >= fewestClean {
		return judge.Figure{
			Name: name, Value: v, Unit: unit,
			Detail: fmt.Sprintf("%d of %d blocks kept, %s", w.clean, len(w.blocks), detail),
		}
	}
	return judge.Figure{
		Name: name, Value: v, Unit: unit, Interval: &unless,
		Detail: fmt.Sprintf("only %d of %d blocks clean, so of all, %s", w.clean, len(w.blocks), detail),
	}
}

// atMost is what is known of a figure that pollution can only have raised.
func atMost(v float64) stat.Interval { return stat.Interval{Value: v, Low: math.NaN(), High: v} }

// anything is what is known of a figure that pollution may have moved either way.
func anything(v float64) stat.Interval {
	return stat.Interval{Value: v, Low: math.NaN(), High: math.NaN()}
}
