package torchserve

import (
	"context"
	"fmt"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
	"sweetspot/sweep/trial"
)

// run returns how the servers are loaded.
func (t *Target) run() drive.Run {
	r := drive.Run{Config: t.load, Timeout: t.cfg.Timeout}
	if t.process != nil {
		r.Ended = t.process.HasEnded
	}
	return r
}

// Measure runs the load until m.Stop returns true.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if err := sweep.CheckRate(m.Load, t.cfg.MaxRate); err != nil {
		return trial.Result{}, err
	}
	if err := t.ensureRunning(ctx); err != nil {
		return trial.Result{}, err
	}
	m = sweep.WholeLoad(m)
	defer t.gate.Hold()()
	t.fresh.Store(false)
	w := t.metrics.watch(ctx)
	result, why, err := drive.Measure(ctx, t.run(), m)
	end(ctx, w)
	switch {
	case ctx.Err() != nil:
		return trial.Result{}, err
	case t.hasEnded(err != nil):
		return trial.Result{}, t.process.Failure("under load")
	case err != nil:
		return trial.Result{}, err
	}
	out := sweep.Summarize(result, m.Load, m.SLA, why)
	out.Warnings = append(out.Warnings, sweep.LoadWarnings(m.Load)...)
	if m.Load.Mode == load.Open && t.cfg.MaxRate > 0 && m.Load.Rate >= .999*t.cfg.MaxRate { // rates are rounded
		out.Warnings = append(out.Warnings, trial.Warning{Text: fmt.Sprintf("the load is at --max-rate %g: the server may do more", t.cfg.MaxRate)})
	}
	if !out.Breakdown.Execution.OK() && len(t.metrics) > 0 { // our own server has them in its answers
		if err := figures(w, result, &out); err != nil {
			out.Warnings = append(out.Warnings, trial.Warning{Text: "breakdown n/a: the server's metrics: " + err.Error()})
		}
	}
	out.Use = t.Use()
	return out, nil
}

// Live sends l until ctx ends. It waits while Apply changes the servers.
func (t *Target) Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error {
	if err := sweep.CheckRate(l, t.cfg.MaxRate); err != nil {
		return err
	}
	return t.gate.Live(ctx, t.cfg.Seed, func(seed uint64) error {
		if err := t.ensureRunning(ctx); err != nil {
			return err
		}
		defer t.gate.Hold()()
		err := t.gate.Segment(ctx, t.run(), l, seed, onSamples)
		if ctx.Err() == nil && t.hasEnded(err != nil) {
			return t.process.Failure("under load")
		}
		return err
	})
}
