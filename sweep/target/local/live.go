package local

import (
	"context"
	"time"

	"sweetspot/sweep/load"
)

// Live load is sent in segments, which limit the memory of its samples: each has at most
// segmentTime and segmentRequests. Loads with an end (traces, ramps) are sent to their end and
// started again, with at most finiteRequests.
const (
	segmentTime     = 5 * time.Minute
	segmentRequests = 200_000
	finiteRequests  = 2_000_000
)

// segmentLimits returns the time and the number of requests at which a segment of l ends.
func segmentLimits(l load.Spec) (time.Duration, int) {
	switch l.Mode {
	case load.Open:
		return min(segmentTime, time.Duration(segmentRequests/l.Rate*float64(time.Second))), segmentRequests
	case load.Trace, load.Ramp:
		return load.TraceLongest + 1, finiteRequests
	}
	return segmentTime, segmentRequests
}

// Live sends l until ctx ends and passes new samples to onSamples.
func (t *Target) Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error {
	for n := uint64(0); ; n++ {
		t.mu.Lock()
		if err := t.restartIfDead(ctx); err != nil {
			t.mu.Unlock()
			return err
		}
		c, child := t.runConfig(l), t.child
		t.mu.Unlock()
		passed := 0
		limit, maxRequests := segmentLimits(l)
		c.Seed, c.Limit, c.Block = t.cfg.Seed+n, limit, 100*time.Millisecond
		c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
			onSamples(samples[passed:])
			passed = len(samples)
			return child.hasEnded() || passed > maxRequests
		}
		_, err := load.Run(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err := t.segmentError(ctx, child, err); err != nil {
			return err
		}
	}
}

// segmentError returns why a segment ended although the load continues; nil if it reached its
// limits. It restarts a dead child.
func (t *Target) segmentError(ctx context.Context, c *child, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.hasEnded() && t.child == c {
		return t.restartIfDead(ctx)
	}
	return err
}
