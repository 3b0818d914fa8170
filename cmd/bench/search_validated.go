package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/predict"
)

// A recommendation is broken if the P99 of a run of longValidation requests is above the limit by more than
// longRunError, which is how much the P99 of such a run differs from that of an endless one.
const (
	longValidation = 2_000_000
	longRunError   = .005
)

// promiseKind is what a validated sweep is asked for.
type promiseKind uint8

// The kinds. The best settings of the default sweep are far within its limit, so that a wrong pass can hardly occur
// there; of the other two kinds the best settings are near it.
const (
	defaultPromise promiseKind = iota // the default sweep
	tightPromise                      // its limit is near the lowest P99 of all settings: just above it, or below
	highestRate                       // the highest rate within the limit of the default sweep
	promiseKinds
)

func (k promiseKind) String() string { return [...]string{"default", "tight limit", "highest rate"}[k] }

// recommendation is what a sweep recommends.
type recommendation struct {
	kind   promiseKind
	made   bool    // else nothing is recommended
	excess float64 // P99 of the long run / limit - 1
	why    string  // the figures, for a broken one
}

// measureValidated adds the share of recommendations that keep their promise in a long run, and writes those that do
// not to stderr.
func measureValidated(ctx context.Context, e *env, b searchBudget) error {
	all := make([]recommendation, b.validated)
	err := each(ctx, len(all), func(i int) (err error) {
		all[i], err = recommend(ctx, promiseKind(i%int(promiseKinds)), e.seed<<16+uint64(i), b)
		if err != nil {
			err = fmt.Errorf("validated promise %d: %w", i, err)
		}
		return err
	})
	if err != nil {
		return err
	}
	var excess []float64
	var made [promiseKinds]int
	kept := 0
	for i, r := range all {
		if !r.made {
			continue
		}
		made[r.kind]++
		if excess = append(excess, r.excess); r.excess <= longRunError {
			kept++
		} else if _, err := fmt.Fprintf(e.stderr, "bench: recommendation %d, %v, is broken by %.1f%%: %s\n", i, r.kind, 100*r.excess, r.why); err != nil {
			return err
		}
	}
	if len(excess) == 0 {
		return errors.New("search: no sweep recommends a setting")
	}
	var counts []string
	for k, n := range made {
		counts = append(counts, fmt.Sprintf("%d %v", n, promiseKind(k)))
	}
	e.report.Add(portion("search.promise.validated", kept, len(excess), fmt.Sprintf(
		"recommendations of %d sweeps (%s) in runs of %d requests with another seed; the highest P99 is %+.1f%% of the limit",
		len(all), strings.Join(counts, ", "), longValidation, 100*slices.Max(excess))))
	return nil
}

// recommend runs a sweep of a kind on a drawn device, and a long run of what it recommends.
func recommend(ctx context.Context, kind promiseKind, seed uint64, b searchBudget) (recommendation, error) {
	out := recommendation{kind: kind}
	d, err := drawPromiseDevice(seed, b.defaultRequests)
	if err != nil {
		return out, err
	}
	switch kind {
	case tightPromise:
		err = d.tighten(ctx, b.defaultRequests/10)
	case highestRate:
		d.plan.Question = plan.Capacity
	}
	if err != nil {
		return out, err
	}
	st, _, err := sweepAll(ctx, d.plan, d.target)
	if err != nil || st.Choice == nil {
		return out, err
	}
	best := st.Trials[st.Best]
	limit := float64(d.plan.SLA.Limit) / float64(time.Millisecond)
	p99 := d.longP99(best.Settings, best.Load, b.longValidation)
	out.made, out.excess = true, p99/limit-1
	out.why = fmt.Sprintf("%v under %v: P99 %.2f ms, limit %.2f; trial %d of %d, %v: P99 %s ms of %d answers, %s",
		best.Settings, best.Load, p99, limit, best.N, len(st.Trials), best.Role, best.Verdict.ValueMS.Text(2), best.Counts.OK, best.Verdict.Why)
	return out, nil
}

// tighten draws a limit near the lowest P99 of all settings of the plan, from runs of that many requests.
func (d *promiseDevice) tighten(ctx context.Context, requests int) error {
	const lowest, highest = .97, 1.1 // of the lowest P99
	info, err := d.target.Info(ctx)
	if err != nil {
		return err
	}
	p, err := sweep.PlanFor(d.plan, info)
	if err != nil {
		return err
	}
	points, _ := p.Points(info.Limits, info.Current, info.Fixed)
	least := math.Inf(1)
	for _, x := range points {
		p99, _ := d.closedFigures(x.Settings, x.Load, requests)
		least = min(least, p99)
	}
	share := uniform(rand.New(rand.NewPCG(d.seed, 0x74696768)), lowest, highest)
	d.plan.SLA.Limit = time.Duration(share*least*1000) * time.Microsecond
	return nil
}

// longP99 returns the P99 in ms of settings under a load, from a run of that many requests with another seed.
func (d *promiseDevice) longP99(s knob.Settings, l load.Spec, requests int) float64 {
	c := d.config(s)
	c.Rule, c.Warm, c.Seed = knob.TorchServe, time.Second, d.seed+validationSeed
	if l.Mode == load.Closed {
		c.Clients, c.Requests = l.Concurrency, requests
	} else {
		c.Plan = load.Plan(l, c.Seed, math.MaxInt64, requests)
	}
	sim := predict.New(c)
	sim.Run()
	return sim.Quantile(.99)
}
