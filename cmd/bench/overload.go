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
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// overloadBudget is how much the set runs.
type overloadBudget struct {
	runs     int           // at each share of the capacity
	maxRun   time.Duration // longest run
	capacity time.Duration // time to measure the capacity
}

func (b budget) overloads() overloadBudget {
	switch b.mode {
	case full.mode:
		return overloadBudget{runs: 20, maxRun: 30 * time.Second, capacity: 5 * time.Second}
	case quick.mode:
		return overloadBudget{runs: 1, maxRun: 10 * time.Second, capacity: 2 * time.Second}
	}
	return overloadBudget{runs: 1, maxRun: time.Second, capacity: time.Second}
}

// overloadRequests limits an overloaded run, because all of its answers must be
// received before the next run.
const overloadRequests = 9000

// overloadSettings have a queue that is never full, so that refused requests do not
// show the overload.
func overloadSettings() knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 1, 8, time.Millisecond, 1_000_000
	return s
}

// measureOverload adds how often a real engine passes with more requests than its
// capacity, and how often with fewer. The SLA is so high that the latencies alone
// never fail it.
func measureOverload(ctx context.Context, e *env) (err error) {
	t, err := local.Start(ctx, local.Config{
		Command: []string{e.self, engineCommand, "builtin:mlp-wide"}, Env: os.Environ(), Log: e.stderr,
		Start: knob.Config{Settings: overloadSettings(), Options: knob.Options{Rule: knob.TorchServe}}, Seed: e.seed, Timeout: 2 * time.Minute,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	b := e.budget.overloads()
	for _, c := range []struct {
		name  string
		share float64
	}{{"passes-120", 1.2}, {"passes-200", 2}, {"keeps-up-70", .7}} {
		passes, why, err := countPasses(ctx, t, c.share, b, e.seed)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("at %g of its capacity, SLA of a minute, both latencies; the last one: %s", c.share, why)
		if c.share < 1 {
			e.report.Add(portion("overload."+c.name, passes, b.runs, detail))
			continue
		}
		e.report.Add(judge.Figure{Name: "overload." + c.name, Value: float64(passes), Unit: "count", Detail: fmt.Sprintf("of %d runs %s", b.runs, detail)})
	}
	return nil
}

// countPasses counts the passes of runs at a share of the capacity of the engine. It
// measures the capacity before each run, because the speed of a shared machine
// changes.
func countPasses(ctx context.Context, t *local.Target, share float64, b overloadBudget, seed uint64) (passes int, why string, err error) {
	for i := range b.runs {
		got, err := t.Measure(ctx, sweep.Measurement{
			Load: load.Spec{Mode: load.Closed, Concurrency: 24}, Seed: seed, SLA: trialsSLA(), Time: b.capacity,
			Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
		})
		if err != nil {
			return 0, "", err
		}
		sla := trial.SLA{Percentile: 99, Limit: time.Minute, Latency: []trial.LatencyKind{trial.RequestLatency, trial.ModelLatency}[i%2]}
		l := load.Spec{Mode: load.Open, Rate: share * got.Throughput.Value.Or(1)}
		maxRequests := overloadRequests
		if share < 1 {
			maxRequests = 0 // no limit but the time
		}
		got, err = t.Measure(ctx, sweep.Measurement{
			Load: l, Seed: seed + uint64(i), SLA: sla, Time: b.maxRun, Max: maxRequests, Stop: sweep.UntilCertain(sla, l),
		})
		if err != nil {
			return 0, "", err
		}
		if got.Verdict.Result == trial.Pass {
			passes++
		}
		why = fmt.Sprintf("%s of %.0f/s answered, %s", got.Throughput.Value.Text(0), l.Rate, got.Verdict.Why)
	}
	return passes, why, nil
}
