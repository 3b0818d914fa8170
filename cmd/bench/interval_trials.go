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
	settledWithin = .10 // a P99 is precise if half the width of its interval is this share of it
	verdictMax    = 5000
	falsePassRun  = 3000
)

// trialOutcome is the outcome of one trial.
type trialOutcome struct {
	requests int  // requests, including those of the warm-up
	covers   bool // the interval contains the true P99
	open     bool // an end of the interval is open
	verdict  trial.Answer
}

// measureTrial measures a server until stop returns true.
func measureTrial(ctx context.Context, t *simServer, seed uint64, sla trial.SLA, maxRequests int, stop sweep.Stop) (trialOutcome, error) {
	target, err := t.target()
	if err != nil {
		return trialOutcome{}, err
	}
	var out trialOutcome
	r, err := target.Measure(ctx, sweep.Measurement{
		Load: t.load, Seed: seed, SLA: sla, Max: maxRequests, Time: time.Hour,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			out.requests = len(samples)
			return stop(elapsed, samples)
		},
	})
	p := r.Latency.P99
	out.verdict = r.Verdict.Result
	out.open = !p.Low.OK() || !p.High.OK()
	out.covers = p.Low.Or(0) <= t.p99 && t.p99 <= p.High.Or(t.p99)
	return out, err
}

// slaAt is an SLA for the P99 of requests, at a multiple of the true P99.
func (t *simServer) slaAt(times float64) trial.SLA {
	return trial.SLA{Percentile: 99, Limit: time.Duration(times * t.p99 * float64(time.Millisecond))}
}

// measureSettled adds the figures of trials that end when their P99 is precise.
func measureSettled(ctx context.Context, e *env, c *cell) error {
	trials := make([]trialOutcome, c.repetitions)
	err := each(ctx, c.repetitions, func(i int) (err error) {
		t := c.serverOf(i)
		sla := t.slaAt(1)
		trials[i], err = measureTrial(ctx, t, c.seedFor(i, 2), sla, c.maxTrial, sweep.UntilPrecise(sla, settledWithin))
		return err
	})
	if err != nil {
		return err
	}
	covers, open := 0, 0
	for _, k := range trials {
		// An open end is accepted only at u90, where a settled P99 needs too much data.
		if k.covers && (c.name == "u90" || !k.open) {
			covers++
		}
		if k.open {
			open++
		}
	}
	e.report.Add(portion("interval.settled."+c.name, covers, len(trials),
		fmt.Sprintf("P99 precise to %g%%, %d open", 100*settledWithin, open)))
	e.report.Add(requestsFigure("interval.requests.settled-"+c.name, trials))
	return nil
}

// requestsFigure is the mean number of requests of the trials.
func requestsFigure(name string, trials []trialOutcome) judge.Figure {
	var all []int
	sum := 0
	for _, k := range trials {
		all = append(all, k.requests)
		sum += k.requests
	}
	slices.Sort(all)
	return judge.Figure{
		Name: name, Value: float64(sum) / float64(len(all)), Unit: "count",
		Detail: fmt.Sprintf("mean of %d trials, median %d, maximum %d", len(all), all[len(all)/2], all[len(all)-1]),
	}
}

// measureStopped adds the figures of trials that end when their verdict is certain,
// like those of a sweep. The SLAs are 10% below and above the true P99.
func measureStopped(ctx context.Context, e *env, c *cell) error {
	trials := make([]trialOutcome, 2*c.repetitions)
	err := each(ctx, len(trials), func(i int) (err error) {
		t := c.serverOf(i / 2)
		sla := t.slaAt(sides[i%2].times)
		trials[i], err = measureTrial(ctx, t, c.seedFor(i, 3), sla, verdictMax, sweep.UntilCertain(sla, t.load))
		return err
	})
	if err != nil {
		return err
	}
	provisional := verdictCounts{n: c.repetitions}
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
	e.report.Add(requestsFigure("interval.requests.verdict-"+c.name, trials))
	return nil
}

// measureFalsePasses adds how often a run of 3000 requests seems to meet an SLA that
// the true P99 exceeds by 11%: raw, corrected, and corrected with a curve that is
// fitted to the run.
func measureFalsePasses(ctx context.Context, e *env, c *cell) error {
	correctors := make([]*predict.Corrector, len(c.servers))
	err := each(ctx, len(c.servers), func(i int) error {
		correctors[i] = predict.NewCorrector(c.servers[i].correctorConfig(c.servers[i].plan(c.seedFor(i, 4), c.intervalBudget.correctorRun)), .99)
		return nil
	})
	if err != nil {
		return err
	}
	passes := make([][3]bool, c.corrections)
	// One goroutine per server, because a Corrector is not safe for concurrent use.
	err = each(ctx, len(c.servers), func(i int) error {
		t, limit := &c.servers[i], c.servers[i].p99/1.11
		for n := i; n < c.corrections && ctx.Err() == nil; n += len(c.servers) {
			plan := t.plan(c.seedFor(n, 5), falsePassRun)
			s := predict.New(t.config(plan))
			s.Run()
			raw := s.Quantile(.99)
			passes[n] = [3]bool{
				raw <= limit, correctors[i].Correct(raw, plan, 0) <= limit, t.fittedCorrector(c, plan).Correct(raw, plan, 0) <= limit,
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
			fmt.Sprintf("utilization .9, true P99 11%% over the SLA, %d requests", falsePassRun)))
	}
	return nil
}

// fittedCorrector is a corrector with a curve that is fitted to the run of plan.
func (t *simServer) fittedCorrector(c *cell, plan []time.Duration) *predict.Corrector {
	run := t.config(plan)
	run.Detail = true
	s := predict.New(run)
	s.Run()
	m := t.correctorConfig(t.plan(c.seed, c.intervalBudget.correctorRun))
	m.Service = predict.Fit(m.Service, s.Samples())
	return predict.NewCorrector(m, .99)
}
