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

// stallRuns is the number of runs; the figure is their median.
const stallRuns = 5

// measureStalls measures the P99 of a server that stalls for .2 s every 2 s, and
// compares it with the P99 computed from the times of the stalls.
func measureStalls(ctx context.Context, e *env, s *loadServer) error {
	cycles := e.budget.load().cycles
	runs := make([]stalledRun, stallRuns)
	for i := range runs {
		var err error
		if runs[i], err = s.runStalled(ctx, cycles, e.seed+uint64(i)); err != nil {
			return err
		}
	}
	e.report.Add(stalledFigure(runs))
	return nil
}

// stalledRun is a run with stalls of the server. Times are in ms.
type stalledRun struct {
	p99, trueP99        float64
	shortest, longest   float64 // stall
	undisturbed, blocks int
}

// relativeError is the difference of the measured and the true P99, divided by the
// true one.
func (r stalledRun) relativeError() float64 { return math.Abs(r.p99/r.trueP99 - 1) }

// stalledFigure is the median error of the runs. If less than half of their blocks
// are undisturbed, the error can be caused by the machine, so it is only an upper
// bound.
func stalledFigure(runs []stalledRun) judge.Figure {
	var errs []float64
	var pairs []string
	all := stalledRun{shortest: math.Inf(1)}
	for _, r := range runs {
		all.shortest, all.longest = min(all.shortest, r.shortest), max(all.longest, r.longest)
		all.undisturbed, all.blocks = all.undisturbed+r.undisturbed, all.blocks+r.blocks
		errs = append(errs, r.relativeError())
		pairs = append(pairs, fmt.Sprintf("%.1f/%.1f", r.p99, r.trueP99))
	}
	f := judge.Figure{
		Name: "loadgen.p99.stalled", Value: median(errs), Unit: "share",
		Detail: fmt.Sprintf("median of %d runs, P99 measured/true %s ms, stalls of %.1f-%.1f ms by the server's clock, nothing subtracted, %d of %d blocks undisturbed",
			len(runs), strings.Join(pairs, " "), all.shortest, all.longest, all.undisturbed, all.blocks),
	}
	if 2*all.undisturbed < all.blocks {
		bound := openBelow(f.Value)
		f.Interval = &bound
	}
	return f
}

// runStalled is one run during which the server stalls once per cycle.
func (s *loadServer) runStalled(ctx context.Context, cycles int, seed uint64) (stalledRun, error) {
	stallErr := make(chan error, 1)
	var windows []stallWindow
	go func() { stallErr <- s.get(ctx, fmt.Sprintf("/stall?cycles=%d", cycles), &windows) }()
	c := openLoad(s.Load, pathNone, slowRate, load.Constant, time.Duration(cycles)*stallCycle, seed)
	run, err := watchRun(ctx, c, s.watch())
	if err = errors.Join(err, <-stallErr); err != nil {
		return stalledRun{}, err
	}
	out := stalledRun{shortest: math.Inf(1), undisturbed: run.undisturbed, blocks: len(run.blocks)}
	for _, w := range windows {
		length := float64(w.End-w.Begin) / float64(time.Millisecond)
		out.shortest, out.longest = min(out.shortest, length), max(out.longest, length)
	}
	out.p99, out.trueP99 = p99s(run, windows)
	return out, nil
}

// p99s returns the P99 that a run measured, and the true P99 of its requests, in
// ms.
func p99s(run watchedRun, windows []stallWindow) (measured, trueP99 float64) {
	var latencies, waits []float64
	for _, x := range run.Samples {
		latencies = append(latencies, float64(x.Latency)/float64(time.Millisecond))
		waits = append(waits, stallWait(run.start.Add(x.Planned).UnixNano(), windows))
	}
	return stat.Quantile(latencies, .99).Value, stat.Quantile(waits, .99).Value
}

// stallWait is how long, in ms, a request that arrives at a time waits for a server
// that answers immediately except during the windows.
func stallWait(at int64, windows []stallWindow) float64 {
	for _, w := range windows {
		if at >= w.Begin && at < w.End {
			return float64(w.End-at) / float64(time.Millisecond)
		}
	}
	return 0
}
