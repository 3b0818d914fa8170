package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// trialsShare is the utilization of the engine whose P99 is measured.
const trialsShare = .6

// trialsBudget is how much the set runs.
type trialsBudget struct {
	trials   int
	longRun  time.Duration // of the long run, in as many pieces as trials
	maxTrial time.Duration // longest trial
	capacity time.Duration // time to measure the capacity
}

func (b budget) trials() trialsBudget {
	switch b.mode {
	case full.mode:
		return trialsBudget{trials: 20, longRun: 20 * time.Minute, maxTrial: 60 * time.Second, capacity: 10 * time.Second}
	case quick.mode:
		return trialsBudget{trials: 3, longRun: 15 * time.Second, maxTrial: 5 * time.Second, capacity: 3 * time.Second}
	}
	return trialsBudget{trials: 1, longRun: time.Second / 2, maxTrial: time.Second / 2, capacity: time.Second}
}

// trialsSettings are the settings of the engine.
func trialsSettings() knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 2, 4, 2*time.Millisecond, 1000
	return s
}

// engineRun is a real engine and its load.
type engineRun struct {
	target *local.Target
	load   load.Spec
	long   []float64 // the request latencies of the long run, in ms
}

// measureTrials compares trials of a real engine, which end when their P99 is
// precise, with one long run. A piece of the long run follows each trial, so that a
// change of the machine's speed affects both.
func measureTrials(ctx context.Context, e *env) (err error) {
	t, err := local.Start(ctx, local.Config{
		Command: []string{e.self, engineCommand, "builtin:resnet18"}, Env: os.Environ(), Log: e.stderr,
		Start: knob.Config{Settings: trialsSettings(), Options: knob.Options{Rule: knob.TorchServe}}, Seed: e.seed,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	b := e.budget.trials()
	r := &engineRun{target: t}
	if err := r.setLoad(ctx, e.seed, b.capacity); err != nil {
		return err
	}
	results := make([]trial.Result, 0, b.trials)
	for i := range b.trials {
		got, err := r.runTrial(ctx, e.seed+uint64(2*i), b.maxTrial)
		if err != nil {
			return err
		}
		results = append(results, got)
		if err := r.extendLongRun(ctx, e.seed+uint64(2*i+1), b.longRun/time.Duration(b.trials)); err != nil {
			return err
		}
		p := got.Latency.P99
		fmt.Fprintf(e.stderr, "# trial %d of %d: P99 %s ms [%s-%s] from %d requests\n", i+1, b.trials,
			p.Value.Text(1), p.Low.Text(1), p.High.Text(1), got.Counts.OK)
	}
	r.report(e, results)
	return nil
}

// setLoad sets the load to a share of the capacity of the engine.
func (r *engineRun) setLoad(ctx context.Context, seed uint64, d time.Duration) error {
	s := trialsSettings()
	got, err := r.target.Measure(ctx, sweep.Measurement{
		Load: load.Spec{Mode: load.Closed, Concurrency: 3 * s.BatchSize * s.Workers}, Seed: seed, SLA: trialsSLA(), Time: d,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	})
	r.load = load.Spec{Mode: load.Open, Rate: trialsShare * got.Throughput.Value.Or(0)}
	return err
}

// trialsSLA has the percentile; its limit is not used.
func trialsSLA() trial.SLA { return trial.SLA{Percentile: 99, Limit: time.Second} }

// runTrial is one trial, which ends when its P99 is precise.
func (r *engineRun) runTrial(ctx context.Context, seed uint64, longest time.Duration) (trial.Result, error) {
	return r.target.Measure(ctx, sweep.Measurement{
		Load: r.load, Seed: seed, SLA: trialsSLA(), Time: longest, Stop: sweep.UntilPrecise(trialsSLA(), settledWithin),
	})
}

// extendLongRun adds a piece to the long run, without its first tenth of a second,
// in which the load rises.
func (r *engineRun) extendLongRun(ctx context.Context, seed uint64, d time.Duration) error {
	const warmup = 100 * time.Millisecond
	var all []load.Sample
	_, err := r.target.Measure(ctx, sweep.Measurement{
		Load: r.load, Seed: seed, SLA: trialsSLA(), Time: d,
		Stop:     func(time.Duration, []load.Sample) (bool, string) { return false, "" },
		Progress: func(_ time.Duration, samples []load.Sample) { all = samples },
	})
	for _, s := range all {
		if s.Planned >= warmup && (s.Outcome == load.OK || s.Outcome == load.Timeout) {
			r.long = append(r.long, s.Latency.Seconds()*1e3)
		}
	}
	return err
}

// report adds how many intervals of trials contain the P99 of the long run.
func (r *engineRun) report(e *env, results []trial.Result) {
	long := stat.Quantile(r.long, .99)
	covers, open, requests := 0, 0, 0
	var ratios []float64
	for _, got := range results {
		p := got.Latency.P99
		if p.Value.OK() && p.Low.Or(0) <= long.Value && long.Value <= p.High.Or(long.Value) {
			covers++
		}
		if !p.Low.OK() || !p.High.OK() {
			open++
		}
		requests += got.Counts.Sent
		ratios = append(ratios, p.Value.Or(long.Value)/long.Value)
	}
	mean := stat.Mean(ratios)
	e.report.Add(portion("trials.covered.resnet18", covers, len(results),
		fmt.Sprintf("long run: P99 %.1f ms [%.1f-%.1f] of %d requests at %.1f/s; %d trials open", long.Value, long.Low, long.High, len(r.long), r.load.Rate, open)))
	e.report.Add(judge.Figure{
		Name: "trials.mean.resnet18", Value: mean.Value, Unit: "ratio",
		Detail: fmt.Sprintf("P99 of a trial divided by that of the long run, 95%% %.2f-%.2f, %d requests a trial", mean.Low, mean.High, requests/len(results)),
	})
}
