package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// slightOverload is an overload that cannot be detected before slightOverloadMax
// requests.
const (
	slightOverload    = 1.02
	slightOverloadMax = 10_000
)

// measureSimOverload adds how often a server passes with more requests than its
// capacity, with any SLA, and how often a server passes with fewer.
func measureSimOverload(ctx context.Context, e *env, c *cell) error {
	dir, err := os.MkdirTemp("", "overload")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := overloadRuns{cell: c, dir: dir}
	for _, f := range []struct {
		name   string
		shares []float64
		most   int
		text   string
	}{
		{"2", []float64{slightOverload}, min(slightOverloadMax, c.overloadMax), fmt.Sprintf("%g times the capacity, before %d requests", slightOverload, slightOverloadMax)},
		{"5", []float64{1.05, 1.1, 1.2, 2}, c.overloadMax, "1.05, 1.1, 1.2 and 2 times the capacity"},
	} {
		passes, n, err := o.countPasses(ctx, f.shares, []float64{1, 10, 100}, []trial.LatencyKind{trial.RequestLatency, trial.ModelLatency}, []bool{false, true}, f.most)
		if err != nil {
			return err
		}
		e.report.Add(judge.Figure{
			Name: "interval.overload.passes-" + f.name, Value: float64(passes), Unit: "count",
			Detail: fmt.Sprintf("of %d runs, %s, open and trace, SLA of 1, 10, 100 times a full batch, both latencies", n, f.text),
		})
	}
	for _, share := range []float64{.7, .9} {
		passes, n, err := o.countPasses(ctx, []float64{share}, []float64{100}, []trial.LatencyKind{trial.RequestLatency}, []bool{false, true}, c.overloadMax)
		if err != nil {
			return err
		}
		e.report.Add(portion(fmt.Sprintf("interval.keeps-up.%g", 100*share), passes, n, fmt.Sprintf("%g of the capacity, open and trace, SLA of 100 times a full batch", share)))
	}
	return nil
}

// overloadRuns runs overloaded servers of a cell.
type overloadRuns struct {
	*cell
	dir string // for the trace files
}

// countPasses runs each combination, on all servers, and counts the passes. Each
// run has its own seed.
func (o overloadRuns) countPasses(ctx context.Context, shares, limits []float64, which []trial.LatencyKind, traces []bool, maxRequests int) (passes, n int, err error) {
	type combination struct {
		share, limit float64
		which        trial.LatencyKind
		trace        bool
	}
	var all []combination
	for len(all) == 0 || len(all) < o.overloads {
		for _, s := range shares {
			for _, l := range limits {
				for _, w := range which {
					for _, t := range traces {
						all = append(all, combination{s, l, w, t})
					}
				}
			}
		}
	}
	got := make([]bool, len(all))
	err = each(ctx, len(all), func(i int) (err error) {
		x := all[i]
		got[i], err = o.run(ctx, i, x.share, x.limit, x.which, x.trace, maxRequests)
		return err
	})
	for _, p := range got {
		if p {
			passes++
		}
	}
	return passes, len(all), err
}

// run reports whether a run passes.
func (o overloadRuns) run(ctx context.Context, i int, share, limit float64, which trial.LatencyKind, trace bool, maxRequests int) (bool, error) {
	t := *o.serverOf(i)
	t.load.Rate = share * t.curve().Rate(simWorkers, simSize)
	sla := trial.SLA{Percentile: 99, Latency: which, Limit: time.Duration(limit * float64(t.curve().At(simSize)))}
	if trace {
		l, err := o.trace(i, &t, maxRequests)
		if err != nil {
			return false, err
		}
		t.load = l
	}
	k, err := measureTrial(ctx, &t, o.seedFor(i, 9), sla, maxRequests, sweep.UntilCertain(sla, t.load))
	return k.verdict == trial.Pass, err
}

// trace writes the arrivals of the load to a file.
func (o overloadRuns) trace(i int, t *simServer, n int) (load.Spec, error) {
	path := filepath.Join(o.dir, fmt.Sprintf("%d.csv", i))
	f, err := os.Create(path)
	if err != nil {
		return load.Spec{}, err
	}
	w := bufio.NewWriter(f)
	for _, at := range t.plan(o.seedFor(i, 8), n) {
		fmt.Fprintf(w, "%.9f\n", at.Seconds())
	}
	if err := w.Flush(); err != nil {
		return load.Spec{}, err
	}
	return load.Spec{Mode: load.Trace, File: path}, f.Close()
}
