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

// overloadBudget is how much of the set is run.
type overloadBudget struct {
	runs int           // at each share of what the engine bears
	most time.Duration // of a run
	load time.Duration // of finding out what the engine bears
}

func (b budget) overloads() overloadBudget {
	switch b.mode {
	case full.mode:
		return overloadBudget{runs: 20, most: 30 * time.Second, load: 5 * time.Second}
	case quick.mode:
		return overloadBudget{runs: 1, most: 10 * time.Second, load: 2 * time.Second}
	}
	return overloadBudget{runs: 1, most: time.Second, load: time.Second}
}

// overloadRequests is the most of a run that is overloaded: its answers are awaited.
const overloadRequests = 9000

// overloadSettings have a queue that takes everything in: errors give nothing away.
func overloadSettings() knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 1, 8, time.Millisecond, 1_000_000
	return s
}

// realOverload adds how often a real engine passes that gets more requests than it
// bears, under a promise so loose that its latencies break none of it, and how often
// one that gets fewer does.
func realOverload(ctx context.Context, e *env) (err error) {
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
		passes, text, err := overloaded(ctx, t, c.share, b, e.seed)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("at %g of the requests/s that it bears, promise of a minute, both latencies; the last one: %s", c.share, text)
		if c.share < 1 {
			e.report.Add(portion("overload."+c.name, passes, b.runs, detail))
			continue
		}
		e.report.Add(judge.Figure{Name: "overload." + c.name, Value: float64(passes), Unit: "count", Detail: fmt.Sprintf("of %d runs %s", b.runs, detail)})
	}
	return nil
}

// overloaded counts the passes of runs at a share of what the engine bears, which is
// measured anew before each: a shared machine changes its pace.
func overloaded(ctx context.Context, t *local.Target, share float64, b overloadBudget, seed uint64) (passes int, why string, err error) {
	for i := range b.runs {
		got, err := t.Measure(ctx, sweep.Measurement{
			Load: load.Spec{Mode: load.Closed, Concurrency: 24}, Seed: seed, SLA: trialsSLA(), Time: b.load,
			Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
		})
		if err != nil {
			return 0, "", err
		}
		sla := trial.SLA{Percentile: 99, Limit: time.Minute, Latency: []trial.Which{trial.Request, trial.Model}[i%2]}
		l := load.Spec{Mode: load.Open, Rate: share * got.Throughput.Value.Or(1)}
		most := overloadRequests
		if share < 1 {
			most = 0 // as long as it takes, within the time
		}
		got, err = t.Measure(ctx, sweep.Measurement{
			Load: l, Seed: seed + uint64(i), SLA: sla, Time: b.most, Max: most, Stop: sweep.UntilCertain(sla, l),
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
