package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
)

// stallRuns is how many runs the percentile under stalls is the median of.
const stallRuns = 5

// underStalls holds the P99 of runs against a server that stands still for .2 s
// every 2 s against the P99 that follows from when it says it did.
func underStalls(ctx context.Context, e *env, s *loadServer) error {
	cycles := e.budget.load().cycles
	runs := make([]stalledRun, stallRuns)
	for i := range runs {
		var err error
		if runs[i], err = s.stalled(ctx, cycles, e.seed+uint64(i)); err != nil {
			return err
		}
	}
	e.report.Add(stalledFigure(runs))
	return nil
}

// stalledRun is a run under stalls. Times are in ms.
type stalledRun struct {
	p99, truth        float64
	shortest, longest float64 // stalls
	clean, blocks     int
}

// off is how far the measured P99 is from the true one, as a share of it.
func (r stalledRun) off() float64 { return math.Abs(r.p99/r.truth - 1) }

// stalledFigure is the median error of the runs. If less than half of their
// blocks are clean, it may be the machine's.
func stalledFigure(runs []stalledRun) judge.Figure {
	var offs []float64
	var seen []string
	all := stalledRun{shortest: math.Inf(1)}
	for _, r := range runs {
		all.shortest, all.longest = min(all.shortest, r.shortest), max(all.longest, r.longest)
		all.clean, all.blocks = all.clean+r.clean, all.blocks+r.blocks
		offs = append(offs, r.off())
		seen = append(seen, fmt.Sprintf("%.1f/%.1f", r.p99, r.truth))
	}
	f := judge.Figure{
		Name: "loadgen.p99.stalled", Value: median(offs), Unit: "share",
		Detail: fmt.Sprintf("median of %d runs, P99 measured/true %s ms, stalls of %.1f-%.1f ms by the server's clock, nothing subtracted, %d of %d blocks clean",
			len(runs), strings.Join(seen, " "), all.shortest, all.longest, all.clean, all.blocks),
	}
	if 2*all.clean < all.blocks {
		unless := atMost(f.Value)
		f.Interval = &unless
	}
	return f
}

// stalled is one run of so many cycles of the server.
func (s *loadServer) stalled(ctx context.Context, cycles int, seed uint64) (stalledRun, error) {
	told := make(chan error, 1)
	var windows []window
	go func() { told <- s.ask(ctx, fmt.Sprintf("/stall?cycles=%d", cycles), &windows) }()
	c := open(s.Load, pathNone, slowRate, load.Constant, time.Duration(cycles)*stallCycle, seed)
	run, err := watchRun(ctx, c, s.noise())
	if err = errors.Join(err, <-told); err != nil {
		return stalledRun{}, err
	}
	out := stalledRun{shortest: math.Inf(1), clean: run.clean, blocks: len(run.blocks)}
	for _, w := range windows {
		long := float64(w.End-w.Begin) / float64(time.Millisecond)
		out.shortest, out.longest = min(out.shortest, long), max(out.longest, long)
	}
	out.p99, out.truth = p99s(run, windows)
	return out, nil
}

// p99s are the P99 that a run has measured and the one its requests had, in ms.
func p99s(run watchedRun, windows []window) (measured, truth float64) {
	var took, waited []float64
	for _, x := range run.Samples {
		took = append(took, float64(x.Latency)/float64(time.Millisecond))
		waited = append(waited, wait(run.start.Add(x.Planned).UnixNano(), windows))
	}
	return stat.Quantile(took, .99).Value, stat.Quantile(waited, .99).Value
}

// wait is how long in ms a request that comes at a time has to wait for a server
// that answers at once except in the windows.
func wait(at int64, windows []window) float64 {
	for _, w := range windows {
		if at >= w.Begin && at < w.End {
			return float64(w.End-at) / float64(time.Millisecond)
		}
	}
	return 0
}
