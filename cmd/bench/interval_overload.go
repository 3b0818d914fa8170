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

// overloadMost is how many requests a run under overload may have.
const overloadMost = 20_000

// hardlyMore is an overload that takes so many requests to be seen at all.
const (
	hardlyMore   = 1.02
	hardlyBefore = 10_000
)

// overload adds how often a server passes that gets more requests than it bears,
// whatever the promise, and how often one passes that gets fewer.
func overload(ctx context.Context, e *env, c *cell) error {
	dir, err := os.MkdirTemp("", "overload")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := overloads{cell: c, dir: dir}
	for _, f := range []struct {
		name   string
		shares []float64
		most   int
		text   string
	}{
		{"2", []float64{hardlyMore}, hardlyBefore, fmt.Sprintf("%g times what it bears, before %d requests", hardlyMore, hardlyBefore)},
		{"5", []float64{1.05, 1.1, 1.2, 2}, overloadMost, "1.05, 1.1, 1.2 and 2 times what it bears"},
	} {
		passes, n, err := o.passes(ctx, f.shares, []float64{1, 10, 100}, []trial.Which{trial.Request, trial.Model}, []bool{false, true}, f.most)
		if err != nil {
			return err
		}
		e.report.Add(judge.Figure{
			Name: "interval.overload.passes-" + f.name, Value: float64(passes), Unit: "count",
			Detail: fmt.Sprintf("of %d runs, %s, open and trace, promise at 1, 10, 100 times a full batch, both latencies", n, f.text),
		})
	}
	for _, share := range []float64{.7, .9} {
		passes, n, err := o.passes(ctx, []float64{share}, []float64{100}, []trial.Which{trial.Request}, []bool{false, true}, overloadMost)
		if err != nil {
			return err
		}
		e.report.Add(portion(fmt.Sprintf("interval.keeps-up.%g", 100*share), passes, n, fmt.Sprintf("%g of what it bears, open and trace, promise at 100 times a full batch", share)))
	}
	return nil
}

type overloads struct {
	*cell
	dir string
}

// passes counts runs of each combination, with a seed of its own each, on as many
// truths as there are.
func (o overloads) passes(ctx context.Context, shares, limits []float64, which []trial.Which, traces []bool, most int) (passes, n int, err error) {
	type one struct {
		share, limit float64
		which        trial.Which
		trace        bool
	}
	var all []one
	for len(all) == 0 || len(all) < o.overloads {
		for _, s := range shares {
			for _, l := range limits {
				for _, w := range which {
					for _, t := range traces {
						all = append(all, one{s, l, w, t})
					}
				}
			}
		}
	}
	got := make([]bool, len(all))
	err = each(ctx, len(all), func(i int) (err error) {
		x := all[i]
		got[i], err = o.run(ctx, i, x.share, x.limit, x.which, x.trace, most)
		return err
	})
	for _, p := range got {
		if p {
			passes++
		}
	}
	return passes, len(all), err
}

// run tells whether a run passes.
func (o overloads) run(ctx context.Context, i int, share, limit float64, which trial.Which, trace bool, most int) (bool, error) {
	t := *o.of(i)
	t.load.Rate = share * t.curve().Rate(simWorkers, simSize)
	sla := trial.SLA{Percentile: 99, Latency: which, Limit: time.Duration(limit * float64(t.curve().At(simSize)))}
	if trace {
		l, err := o.trace(i, &t, most)
		if err != nil {
			return false, err
		}
		t.load = l
	}
	k, err := trialOf(ctx, &t, o.draw(i, 9), sla, most, sweep.UntilCertain(sla, t.load))
	return k.verdict == trial.Pass, err
}

// trace writes the load's arrivals to a file.
func (o overloads) trace(i int, t *truth, n int) (load.Spec, error) {
	path := filepath.Join(o.dir, fmt.Sprintf("%d.csv", i))
	f, err := os.Create(path)
	if err != nil {
		return load.Spec{}, err
	}
	w := bufio.NewWriter(f)
	for _, at := range t.plan(o.draw(i, 8), n) {
		fmt.Fprintf(w, "%.9f\n", at.Seconds())
	}
	if err := w.Flush(); err != nil {
		return load.Spec{}, err
	}
	return load.Spec{Mode: load.Trace, File: path}, f.Close()
}
