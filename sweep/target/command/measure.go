package command

import (
	"context"
	"errors"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Measure runs the load until m.Stop returns true.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if err := t.ensureRunning(ctx); err != nil {
		return trial.Result{}, err
	}
	m = sweep.WholeLoad(m)
	t.mu.RLock()
	defer t.mu.RUnlock()
	r := t.running
	if r == nil {
		return trial.Result{}, errors.New("the server has ended")
	}
	r.loaded.Store(true)
	c := r.load
	c.Spec, c.Seed, c.Max, c.Limit, c.Timeout = m.Load, m.Seed, m.Max, m.Time, t.cfg.Plan.Timeout
	if c.Timeout == 0 {
		c.Timeout = m.SLA.RequestTimeout()
	}
	why := ""
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		stop, reason := m.Stop(elapsed, samples)
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
		}
		return stop || r.hasEnded()
	}
	result, err := load.Run(ctx, c)
	if err := ctx.Err(); err != nil {
		return trial.Result{}, context.Cause(ctx)
	}
	if r.ends(err != nil) {
		return trial.Result{}, r.failure("under load")
	}
	if err != nil {
		return trial.Result{}, err
	}
	out := sweep.Summarize(result, m.Load, m.SLA, why)
	out.Warnings = append(out.Warnings, sweep.LoadWarnings(m.Load)...)
	out.Use = t.Use()
	return out, nil
}

// ensureRunning starts the server with the settings in force if it has ended.
func (t *Target) ensureRunning(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errors.New("the target is closed")
	}
	if t.running != nil && !t.running.hasEnded() {
		return nil
	}
	t.stop()
	r, err := t.start(ctx, t.current)
	if err == nil {
		t.running = r
	}
	return err
}

// Live load is sent in segments, which limit the memory of its samples.
const (
	segmentTime     = time.Minute
	segmentRequests = 200_000
	liveBlock       = 100 * time.Millisecond
)

// Live sends l until ctx ends. It waits while Apply changes the server.
func (t *Target) Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error {
	for seed := t.cfg.Plan.Seed; ; seed++ {
		err := t.liveSegment(ctx, l, seed, onSamples)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// liveSegment sends l until Apply wants to change the server, or a limit is reached.
func (t *Target) liveSegment(ctx context.Context, l load.Spec, seed uint64, onSamples func([]load.Sample)) error {
	if err := t.ensureRunning(ctx); err != nil {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	r := t.running
	if r == nil {
		return nil // Apply was faster, and failed
	}
	c := r.load
	c.Spec, c.Seed, c.Timeout, c.Limit, c.Block = l, seed, t.cfg.Plan.Timeout, segmentTime, liveBlock
	if l.Over > segmentTime {
		c.Limit = l.Over + 1
	}
	passed := 0
	c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
		onSamples(samples[passed:])
		passed = len(samples)
		return t.changing.Load() > 0 || r.hasEnded() || passed > segmentRequests
	}
	_, err := load.Run(ctx, c)
	if ctx.Err() == nil && r.ends(err != nil) {
		return r.failure("under load")
	}
	return err
}
