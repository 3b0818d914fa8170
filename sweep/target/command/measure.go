package command

import (
	"context"
	"errors"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
	"sweetspot/sweep/trial"
)

// Measure runs the load until m.Stop returns true.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if err := t.ensureRunning(ctx); err != nil {
		return trial.Result{}, err
	}
	m = sweep.WholeLoad(m)
	defer t.gate.Hold()()
	r := t.running
	if r == nil {
		return trial.Result{}, errors.New("the server has ended")
	}
	result, why, err := drive.Measure(ctx, t.runOf(r), m)
	switch {
	case ctx.Err() != nil:
		return trial.Result{}, err
	case r.Ends(err != nil):
		return trial.Result{}, r.Failure("under load")
	case err != nil:
		return trial.Result{}, err
	}
	out := sweep.Summarize(result, m.Load, m.SLA, why)
	out.Warnings = append(out.Warnings, sweep.LoadWarnings(m.Load)...)
	out.Use = t.Use()
	return out, nil
}

// runOf returns how a server is loaded.
func (t *Target) runOf(r *running) drive.Run {
	return drive.Run{Config: r.load, Timeout: t.cfg.Plan.Timeout, Ended: r.HasEnded}
}

// ensureRunning starts the server with the settings in force if it has ended.
func (t *Target) ensureRunning(ctx context.Context) error {
	return t.gate.Change(func() error {
		if t.running != nil && !t.running.HasEnded() {
			return nil
		}
		t.stop()
		r, err := t.start(ctx, t.current)
		if err == nil {
			t.running = r
		}
		return err
	})
}

// Live sends l until ctx ends. It waits while Apply changes the server.
func (t *Target) Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error {
	return t.gate.Live(ctx, t.cfg.Plan.Seed, func(seed uint64) error { return t.liveSegment(ctx, l, seed, onSamples) })
}

// liveSegment sends l until Apply wants to change the server, or a limit is reached.
func (t *Target) liveSegment(ctx context.Context, l load.Spec, seed uint64, onSamples func([]load.Sample)) error {
	if err := t.ensureRunning(ctx); err != nil {
		return err
	}
	defer t.gate.Hold()()
	r := t.running
	if r == nil {
		return nil // Apply was faster, and failed
	}
	err := t.gate.Segment(ctx, t.runOf(r), l, seed, onSamples)
	if ctx.Err() == nil && r.Ends(err != nil) {
		return r.Failure("under load")
	}
	return err
}
