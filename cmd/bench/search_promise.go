package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

// The limit of the SLA is promiseFactor times the P99 of the default settings. The recommendation
// is validated with validationRequests and another seed.
const (
	promiseFactor      = 1.3
	validationRequests = 10_000
	validationSeed     = 1 << 40
)

// measurePromises adds the share of the default sweep's recommendations that keep their promise, on
// drawn devices.
func measurePromises(ctx context.Context, e *env, b searchBudget) error {
	n := b.promiseDevices
	kept := make([]trial.Answer, n)
	gains := make([]float64, n)
	err := each(ctx, n, func(i int) (err error) {
		kept[i], gains[i], err = validateRecommendation(ctx, e.seed<<8+uint64(i), b.defaultRequests)
		if err != nil {
			err = fmt.Errorf("promise %d: %w", i, err)
		}
		return err
	})
	if err != nil {
		return err
	}
	passed := 0
	for _, k := range kept {
		if k == trial.Pass {
			passed++
		}
	}
	e.report.Add(portion("search.promise.kept", passed, n, fmt.Sprintf(
		"SLA %g x P99 of the default settings, %d requests with another seed, throughput x %.2f in the median", promiseFactor, validationRequests, quantile(gains, .5))))
	return measureValidated(ctx, e, b)
}

// promiseDevice is a drawn device with the default plan for it.
type promiseDevice struct {
	*problem
	target *virtual.Target
	plan   plan.Plan
	before float64 // throughput of the default settings
}

// drawPromiseDevice draws a device. The limit of the plan's SLA is promiseFactor times the P99 of the default settings,
// from a run of that many requests.
func drawPromiseDevice(seed uint64, defaultRequests int) (d promiseDevice, err error) {
	d.problem = &problem{seed: seed, wake: serverWake}
	if err := d.drawDevice(rand.New(rand.NewPCG(seed, 0x70726f6d))); err != nil {
		return d, err
	}
	start := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
	d.target, err = virtual.Open(virtual.Config{
		Name: "problem", Source: "sim:problem", Table: d.table, Wake: d.wake, MinTimeLimit: virtualTimeLimit, Start: start,
	})
	if err != nil {
		return d, err
	}
	p := plan.Default()
	var p99 float64
	p99, d.before = d.closedFigures(start.Settings, p.Loads[0], defaultRequests)
	p.Model, p.Target, p.Strategy, p.Seed = "sim:problem", "virtual", "auto", seed
	p.SLA.Limit = time.Duration(promiseFactor*p99*1000) * time.Microsecond
	p.Budget.Time = 0
	p.Knobs[knob.FP16] = knob.Auto
	d.plan = p
	return d, nil
}

// validateRecommendation runs the default sweep on a device and validates its choice. gain is the
// throughput / that of the default settings.
func validateRecommendation(ctx context.Context, seed uint64, defaultRequests int) (verdict trial.Answer, gain float64, err error) {
	d, err := drawPromiseDevice(seed, defaultRequests)
	if err != nil {
		return verdict, 0, err
	}
	st, _, err := sweepAll(ctx, d.plan, d.target)
	if err != nil || st.Choice == nil {
		return verdict, 0, err
	}
	if _, err := d.target.Apply(ctx, st.Choice.Settings); err != nil {
		return verdict, 0, err
	}
	r, err := d.target.Measure(ctx, sweep.Measurement{
		Load: d.plan.Loads[0], Seed: seed + validationSeed, SLA: d.plan.SLA, Max: validationRequests, Time: virtualTimeLimit, Stop: neverStop,
	})
	return r.Verdict.Result, r.Throughput.Value.Or(0) / d.before, err
}

// closedFigures returns the P99 in ms and the throughput of settings with a closed load, from a
// run of that many requests.
func (p *problem) closedFigures(s knob.Settings, l load.Spec, requests int) (p99, rate float64) {
	c := p.config(s)
	c.Rule, c.Clients, c.Requests, c.Warm = knob.TorchServe, l.Concurrency, requests, time.Second
	sim := predict.New(c)
	sim.Run()
	return sim.Quantile(.99), float64(sim.Sent()) / sim.Now().Seconds()
}
