package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// demoModel is what sweetspot serves when nobody names a model. Its promise is one
// that batch size 1 breaks and 8 keeps on the machine at hand, or demoSLA where
// that cannot be found.
const (
	demoModel = "builtin:mlp-wide"
	demoSLA   = 20 * time.Millisecond
	demoSmall = 1
	demoLarge = 8
)

// demoPromise measures what the promise of the demonstration is here, and says
// where it comes from. An engine that fails meanwhile is for others to notice.
func demoPromise(ctx context.Context, t sweep.Target, p plan.Plan) (trial.SLA, string) {
	sla, load := p.SLA, demoLoad(p)
	if load == nil {
		return sla, "the demonstration's own; --sla sets yours"
	}
	s, err := sweep.FindSeparatingLimit(ctx, t, *load, p.Seed, demoSmall, demoLarge)
	seen := fmt.Sprintf("batch %d takes %.1f ms, batch %d %.1f ms at %d clients",
		s.Small.BatchSize, s.Small.P99, s.Large.BatchSize, s.Large.P99, load.Concurrency)
	switch {
	case errors.Is(err, context.Canceled):
		return sla, ""
	case err != nil:
		return sla, fmt.Sprintf("the probe of this machine failed: %v; --sla sets your own", err)
	case s.Limit == 0:
		return sla, fmt.Sprintf("a probe of this machine found none between its batch sizes: %s; --sla sets your own", seen)
	}
	sla.Limit = s.Limit
	return sla, fmt.Sprintf("from a probe of this machine: %s; --sla sets your own", seen)
}

// demoLoad is the load under which batch sizes can be told apart: clients that
// wait, and a promise about their requests. It is nil of any other.
func demoLoad(p plan.Plan) *load.Spec {
	l := p.Loads[0]
	if l.Mode != load.Closed || l.Matched || p.SLA.Latency != trial.RequestLatency {
		return nil
	}
	return &l
}
