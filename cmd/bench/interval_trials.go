package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// The lengths of trials.
const (
	settledWithin = .10 // half the width of the interval, as a share of the P99
	verdictMost   = 5000
	falsePassRun  = 3000
)

// kept is what became of one trial.
type kept struct {
	spent   int // requests, those of the warm-up too
	covers  bool
	open    bool // an end of the interval is
	verdict trial.Answer
}

// trialOf measures a truth until stop says so.
func trialOf(ctx context.Context, t *truth, seed uint64, sla trial.SLA, most int, stop sweep.Stop) (kept, error) {
	target, err := t.target()
	if err != nil {
		return kept{}, err
	}
	var k kept
	r, err := target.Measure(ctx, sweep.Measurement{
		Load: t.load, Seed: seed, SLA: sla, Max: most, Time: time.Hour,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			k.spent = len(samples)
			return stop(elapsed, samples)
		},
	})
	p := r.Latency.P99
	k.verdict = r.Verdict.Result
	k.open = !p.Low.OK() || !p.High.OK()
	k.covers = p.Low.Or(0) <= t.p99 && t.p99 <= p.High.Or(t.p99)
	return k, err
}

// promise is a limit on the P99 of requests, at a multiple of the truth.
func (t *truth) promise(times float64) trial.SLA {
	return trial.SLA{Percentile: 99, Limit: time.Duration(times * t.p99 * float64(time.Millisecond))}
}

// settled adds the figures of trials that end when their P99 is known.
func settled(ctx context.Context, e *env, c *cell) error {
	trials := make([]kept, c.repetitions)
	err := each(ctx, c.repetitions, func(i int) (err error) {
		t := c.of(i)
		sla := t.promise(1)
		trials[i], err = trialOf(ctx, t, c.draw(i, 2), sla, c.most, sweep.UntilKnown(sla, settledWithin))
		return err
	})
	if err != nil {
		return err
	}
	covers, open := 0, 0
	for _, k := range trials {
		// Where data are plenty an open end does not count.
		if k.covers && (c.name == "u90" || !k.open) {
			covers++
		}
		if k.open {
			open++
		}
	}
	e.report.Add(portion("interval.settled."+c.name, covers, len(trials),
		fmt.Sprintf("P99 known within %g%%, %d open", 100*settledWithin, open)))
	e.report.Add(requests("interval.requests.settled-"+c.name, trials))
	return nil
}

// requests is the mean number of requests spent.
func requests(name string, trials []kept) judge.Figure {
	var all []int
	sum := 0
	for _, k := range trials {
		all = append(all, k.spent)
		sum += k.spent
	}
	slices.Sort(all)
	return judge.Figure{
		Name: name, Value: float64(sum) / float64(len(all)), Unit: "count",
		Detail: fmt.Sprintf("mean of %d trials, median %d, most %d", len(all), all[len(all)/2], all[len(all)-1]),
	}
}

// stopped adds the figures of trials that end when their verdict is certain, as
// those of a sweep do. The promises are 10% below and above the truth.
func stopped(ctx context.Context, e *env, c *cell) error {
	trials := make([]kept, 2*c.repetitions)
	err := each(ctx, len(trials), func(i int) (err error) {
		t := c.of(i / 2)
		sla := t.promise(sides[i%2].times)
		trials[i], err = trialOf(ctx, t, c.draw(i, 3), sla, verdictMost, sweep.UntilCertain(sla, t.load))
		return err
	})
	if err != nil {
		return err
	}
	provisional := answered{n: c.repetitions}
	var covers, open int
	for i, k := range trials {
		provisional.add(i%2, k.verdict)
		if k.covers {
			covers++
		}
		if k.open {
			open++
		}
	}
	e.report.Add(portion("interval.stopped."+c.name, covers, len(trials), "stopped by a verdict"))
	e.report.Add(portion("interval.open."+c.name, open, len(trials), "stopped by a verdict"))
	provisional.report(e, "provisional", c.name, provisionalText)
	e.report.Add(requests("interval.requests.verdict-"+c.name, trials))
	return nil
}

// falsePasses adds how often a run of 3000 requests looks as if it kept a
// promise that the truth breaks by 11%: raw, corrected, and corrected with a
// curve fitted to the run.
func falsePasses(ctx context.Context, e *env, c *cell) error {
	correctors := make([]*predict.Corrector, len(c.truths))
	err := each(ctx, len(c.truths), func(i int) error {
		correctors[i] = predict.NewCorrector(c.truths[i].model(c.truths[i].plan(c.draw(i, 4), c.trialBudget.model)), .99)
		return nil
	})
	if err != nil {
		return err
	}
	passes := make([][3]bool, c.corrections)
	// One goroutine per truth: a Corrector belongs to one.
	err = each(ctx, len(c.truths), func(i int) error {
		t, limit := &c.truths[i], c.truths[i].p99/1.11
		for n := i; n < c.corrections && ctx.Err() == nil; n += len(c.truths) {
			plan := t.plan(c.draw(n, 5), falsePassRun)
			s := predict.New(t.config(plan))
			s.Run()
			raw := s.Quantile(.99)
			passes[n] = [3]bool{
				raw <= limit, correctors[i].Correct(raw, plan, 0) <= limit, t.fitted(c, plan).Correct(raw, plan, 0) <= limit,
			}
		}
		return context.Cause(ctx)
	})
	if err != nil {
		return err
	}
	for j, name := range []string{"raw", "corrected", "fitted"} {
		n := 0
		for _, p := range passes {
			if p[j] {
				n++
			}
		}
		e.report.Add(portion("interval.false-pass."+name, n, len(passes),
			fmt.Sprintf("utilization .9, truth 11%% over the SLA, %d requests", falsePassRun)))
	}
	return nil
}

// fitted is a corrector with a curve fitted to the run under plan.
func (t *truth) fitted(c *cell, plan []time.Duration) *predict.Corrector {
	run := t.config(plan)
	run.Detail = true
	s := predict.New(run)
	s.Run()
	m := t.model(t.plan(c.seed, c.trialBudget.model))
	m.Service = predict.Fit(m.Service, s.Samples())
	return predict.NewCorrector(m, .99)
}
