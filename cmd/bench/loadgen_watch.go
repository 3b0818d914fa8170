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

// The length of a block for which the disturbance is measured, and how many
// undisturbed blocks the figure of a run needs. The kernel's counters need at
// least 100 ms.
const (
	disturbanceBlock = 500 * time.Millisecond
	minUndisturbed   = 5
)

// watchedRun is a run of the load generator with the disturbance of each block.
type watchedRun struct {
	load.Result
	start       time.Time
	blocks      []sweep.Disturbance
	undisturbed int
}

// watchRun runs the load. It fails if a request is not answered.
func watchRun(ctx context.Context, c load.Config, watch judge.DisturbanceFunc) (watchedRun, error) {
	w := watchedRun{start: time.Now()}
	start, at := time.Time{}, time.Duration(0)
	c.Block = min(disturbanceBlock, c.Limit/4)
	addBlock := func(elapsed time.Duration) {
		n := watch()
		b := sweep.Disturbance{From: at, To: elapsed, Steal: n.Steal, Foreign: n.Foreign}
		if at = elapsed; b.RejectReason() == "" {
			w.undisturbed++
		}
		w.blocks = append(w.blocks, b)
	}
	c.OnBlock = func(elapsed time.Duration, _ []load.Sample) bool {
		// A late call gives a late start, so the earliest one is used.
		if s := time.Now().Add(-elapsed); start.IsZero() || s.Before(start) {
			start = s
		}
		addBlock(elapsed)
		return false
	}
	watch() // discards the disturbance before the run
	var err error
	if w.Result, err = load.Run(ctx, c); err != nil {
		return w, err
	}
	if start.IsZero() {
		return w, fmt.Errorf("a run of %v is too short to measure the disturbance", c.Limit)
	}
	w.start = start
	addBlock(time.Since(start))
	if n := load.Count(w.Samples); n.OK != w.Planned {
		return w, fmt.Errorf("%d of %d requests failed: status %v %s", w.Planned-n.OK, w.Planned, n.Status, w.Err)
	}
	return w, nil
}

// isKept reports whether figures use the requests of a time of the run: if its
// block is undisturbed, or if there are too few undisturbed blocks.
func (w watchedRun) isKept(t time.Duration) bool {
	if w.undisturbed < minUndisturbed {
		return true
	}
	for _, b := range w.blocks {
		if t >= b.From && t < b.To {
			return b.RejectReason() == ""
		}
	}
	return false
}

// figure is a figure of the blocks that are kept. If too few are undisturbed, it is
// of all blocks, and bound is its interval.
func (w watchedRun) figure(name string, v float64, unit, detail string, bound stat.Interval) judge.Figure {
	if w.undisturbed >= minUndisturbed {
		return judge.Figure{
			Name: name, Value: v, Unit: unit,
			Detail: fmt.Sprintf("%d of %d blocks kept, %s", w.undisturbed, len(w.blocks), detail),
		}
	}
	return judge.Figure{
		Name: name, Value: v, Unit: unit, Interval: &bound,
		Detail: fmt.Sprintf("only %d of %d blocks undisturbed, so all are used, %s", w.undisturbed, len(w.blocks), detail),
	}
}

// openBelow is the interval of a figure that a disturbance can only increase.
func openBelow(v float64) stat.Interval { return stat.Interval{Value: v, Low: math.NaN(), High: v} }

// openInterval is the interval of a figure that a disturbance can increase or
// decrease.
func openInterval(v float64) stat.Interval {
	return stat.Interval{Value: v, Low: math.NaN(), High: math.NaN()}
}
