package torchserve

import (
	"context"
	"fmt"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// rateWindow is the time over which the rate of a load is compared with the largest rate.
const rateWindow = time.Second

// overRate reports whether more requests were answered than may be sent. It is exact enough to protect a
// server that others use: the load ends within a second.
func (t *Target) overRate(elapsed time.Duration, answers int) bool {
	return t.cfg.MaxRate > 0 && elapsed >= rateWindow && float64(answers)/elapsed.Seconds() > t.cfg.MaxRate
}

// checkRate returns an error for a planned rate above the largest rate.
func (t *Target) checkRate(l load.Spec) error {
	if rate := max(l.Rate, l.From, l.To); t.cfg.MaxRate > 0 && rate > t.cfg.MaxRate {
		return fmt.Errorf("a load of %g requests/s is above --max-rate %g", rate, t.cfg.MaxRate)
	}
	return nil
}

// Measure runs the load until m.Stop returns true.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if err := t.checkRate(m.Load); err != nil {
		return trial.Result{}, err
	}
	m = sweep.WholeLoad(m)
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.fresh.Store(false)
	c := t.load
	c.Spec, c.Seed, c.Max, c.Limit, c.Timeout = m.Load, m.Seed, m.Max, m.Time, t.cfg.Timeout
	if c.Timeout == 0 {
		c.Timeout = m.SLA.RequestTimeout()
	}
	why, tooFast := "", false
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		stop, reason := m.Stop(elapsed, samples)
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
		}
		tooFast = tooFast || t.overRate(elapsed, len(samples))
		return stop || tooFast
	}
	r, err := load.Run(ctx, c)
	switch {
	case ctx.Err() != nil:
		return trial.Result{}, context.Cause(ctx)
	case err != nil:
		return trial.Result{}, err
	case tooFast:
		return trial.Result{}, fmt.Errorf("more than %g requests/s were answered, the limit of --max-rate; give fewer clients, or a higher limit", t.cfg.MaxRate)
	}
	out := sweep.Summarize(r, m.Load, m.SLA, why)
	out.Warnings = append(out.Warnings, sweep.LoadWarnings(m.Load)...)
	out.Use = t.Use()
	return out, nil
}

// Live load is sent in segments, which limit the memory of its samples.
const (
	segmentTime     = time.Minute
	segmentRequests = 200_000
	liveBlock       = 100 * time.Millisecond
)

// Live sends l until ctx ends. It waits while Apply changes the server.
func (t *Target) Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error {
	if err := t.checkRate(l); err != nil {
		return err
	}
	for seed := t.cfg.Seed; ; seed++ {
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
	t.mu.RLock()
	defer t.mu.RUnlock()
	c := t.load
	c.Spec, c.Seed, c.Timeout, c.Limit, c.Block = l, seed, t.cfg.Timeout, max(segmentTime, l.Over+1), liveBlock
	passed, tooFast := 0, false
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		onSamples(samples[passed:])
		passed = len(samples)
		tooFast = tooFast || t.overRate(elapsed, passed)
		return tooFast || t.changing.Load() > 0 || passed > segmentRequests
	}
	_, err := load.Run(ctx, c)
	if err == nil && tooFast {
		err = fmt.Errorf("more than %g requests/s were answered, the limit of --max-rate", t.cfg.MaxRate)
	}
	return err
}
