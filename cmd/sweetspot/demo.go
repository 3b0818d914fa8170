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

// demoModel is the default model, for a demonstration. Its promise is one that batch size 1
// breaks and 8 keeps on this machine, or demoSLA if there is no such promise.
const (
	demoModel = "builtin:mlp-wide"
	demoSLA   = 20 * time.Millisecond
	demoSmall = 1
	demoLarge = 8
)

// demoPromise measures the promise of the demonstration on this machine, and returns its
// origin in words. If the engine fails, it returns demoSLA; later calls report the error.
func demoPromise(ctx context.Context, t sweep.Target, p plan.Plan) (trial.SLA, string) {
	sla, load := p.SLA, demoLoad(p)
	if load == nil {
		return sla, "the default of the demonstration; --sla sets another one"
	}
	s, err := sweep.FindSeparatingLimit(ctx, t, *load, p.Seed, demoSmall, demoLarge)
	times := fmt.Sprintf("batch %d takes %.1f ms, batch %d %.1f ms at %d clients",
		s.Small.BatchSize, s.Small.P99, s.Large.BatchSize, s.Large.P99, load.Concurrency)
	switch {
	case errors.Is(err, context.Canceled):
		return sla, ""
	case err != nil:
		return sla, fmt.Sprintf("the probe of this machine failed: %v; --sla sets another one", err)
	case s.Limit == 0:
		return sla, fmt.Sprintf("a probe of this machine found none between its batch sizes: %s; --sla sets another one", times)
	}
	sla.Limit = s.Limit
	return sla, fmt.Sprintf("from a probe of this machine: %s; --sla sets another one", times)
}

// demoLoad returns the load of the plan if it shows the difference of batch sizes: a closed
// load with a promise on request latency. Otherwise it returns nil.
func demoLoad(p plan.Plan) *load.Spec {
	l := p.Loads[0]
	if l.Mode != load.Closed || l.Matched || p.SLA.Latency != trial.RequestLatency {
		return nil
	}
	return &l
}
