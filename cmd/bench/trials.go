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

// trialsBudget is how much of the set is run.
type trialsBudget struct {
	trials int
	long   time.Duration // of the long run, in as many pieces
	most   time.Duration // of a trial
	load   time.Duration // of finding out what the engine bears
}

func (b budget) realTrials() trialsBudget {
	switch b.mode {
	case full.mode:
		return trialsBudget{trials: 20, long: 20 * time.Minute, most: 60 * time.Second, load: 10 * time.Second}
	case quick.mode:
		return trialsBudget{trials: 3, long: 15 * time.Second, most: 5 * time.Second, load: 3 * time.Second}
	}
	return trialsBudget{trials: 1, long: time.Second, most: time.Second, load: time.Second}
}

// trialsSettings are what the engine serves with.
func trialsSettings() knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 2, 4, 2*time.Millisecond, 1000
	return s
}

// engineRun is a real engine under its load.
type engineRun struct {
	target *local.Target
	load   load.Spec
	long   []float64 // request latencies of the long run, in ms
}

// trials holds trials of a real engine, which end when their P99 is known,
// against one long run. The long run is cut into pieces, one after each trial,
// so that a machine that changes its pace changes it for both.
func trials(ctx context.Context, e *env) (err error) {
	t, err := local.Start(ctx, local.Config{
		Command: []string{e.self, engineCommand, "builtin:resnet18"}, Env: os.Environ(), Log: e.stderr,
		Start: knob.Config{Settings: trialsSettings(), Options: knob.Options{Rule: knob.TorchServe}}, Seed: e.seed,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	b := e.budget.realTrials()
	r := &engineRun{target: t}
	if err := r.bearable(ctx, e.seed, b.load); err != nil {
		return err
	}
	results := make([]trial.Result, 0, b.trials)
	for i := range b.trials {
		got, err := r.short(ctx, e.seed+uint64(2*i), b.most)
		if err != nil {
			return err
		}
		results = append(results, got)
		if err := r.piece(ctx, e.seed+uint64(2*i+1), b.long/time.Duration(b.trials)); err != nil {
			return err
		}
		p := got.Latency.P99
		fmt.Fprintf(e.stderr, "# trial %d of %d: P99 %s ms [%s-%s] from %d requests\n", i+1, b.trials,
			p.Value.Text(1), p.Low.Text(1), p.High.Text(1), got.Counts.OK)
	}
	r.report(e, results)
	return nil
}

// bearable sets the load to a share of what the engine bears.
func (r *engineRun) bearable(ctx context.Context, seed uint64, d time.Duration) error {
	s := trialsSettings()
	got, err := r.target.Measure(ctx, sweep.Measurement{
		Load: load.Spec{Mode: load.Closed, Concurrency: 3 * s.BatchSize * s.Workers}, Seed: seed, SLA: trialsSLA(), Time: d,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	})
	r.load = load.Spec{Mode: load.Open, Rate: trialsShare * got.Throughput.Value.Or(0)}
	return err
}

// trialsSLA names the percentile; its limit decides nothing here.
func trialsSLA() trial.SLA { return trial.SLA{Percentile: 99, Limit: time.Second} }

// short is one trial: until the P99 is known as a settled one is.
func (r *engineRun) short(ctx context.Context, seed uint64, most time.Duration) (trial.Result, error) {
	return r.target.Measure(ctx, sweep.Measurement{
		Load: r.load, Seed: seed, SLA: trialsSLA(), Time: most, Stop: sweep.UntilKnown(trialsSLA(), settledWithin),
	})
}

// piece is a part of the long run. Its first tenth of a second fills the engine.
func (r *engineRun) piece(ctx context.Context, seed uint64, d time.Duration) error {
	const warm = 100 * time.Millisecond
	var all []load.Sample
	_, err := r.target.Measure(ctx, sweep.Measurement{
		Load: r.load, Seed: seed, SLA: trialsSLA(), Time: d,
		Stop:     func(time.Duration, []load.Sample) (bool, string) { return false, "" },
		Progress: func(_ time.Duration, samples []load.Sample) { all = samples },
	})
	for _, s := range all {
		if s.Planned >= warm && (s.Outcome == load.OK || s.Outcome == load.Timeout) {
			r.long = append(r.long, s.Latency.Seconds()*1e3)
		}
	}
	return err
}

// report adds how many trials were right about the long run.
func (r *engineRun) report(e *env, results []trial.Result) {
	truth := stat.Quantile(r.long, .99)
	covers, open, requests := 0, 0, 0
	var off []float64
	for _, got := range results {
		p := got.Latency.P99
		if p.Value.OK() && p.Low.Or(0) <= truth.Value && truth.Value <= p.High.Or(truth.Value) {
			covers++
		}
		if !p.Low.OK() || !p.High.OK() {
			open++
		}
		requests += got.Counts.Sent
		off = append(off, p.Value.Or(truth.Value)/truth.Value)
	}
	mean := stat.Mean(off)
	e.report.Add(portion("trials.covered.resnet18", covers, len(results),
		fmt.Sprintf("long run: P99 %.1f ms [%.1f-%.1f] of %d requests at %.1f/s; %d trials open", truth.Value, truth.Low, truth.High, len(r.long), r.load.Rate, open)))
	e.report.Add(judge.Figure{
		Name: "trials.mean.resnet18", Value: mean.Value, Unit: "ratio",
		Detail: fmt.Sprintf("P99 of a trial over that of the long run, 95%% %.2f-%.2f, %d requests a trial", mean.Low, mean.High, requests/len(results)),
	})
}
