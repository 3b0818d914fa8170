package main

import (
	"context"
	"math"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

// device is the target of a problem: a simulated device, whose speed changes from one measurement
// to the next if the problem has a drift.
type device struct {
	*virtual.Target
	problem  *problem
	current  knob.Settings
	measured int
}

// virtualTimeLimit is the time limit of a measurement in virtual time.
const virtualTimeLimit = time.Hour

// open returns the device of a problem.
func (p *problem) open() (*device, error) {
	d := &device{problem: p, current: spaceSettings(1, 1, 0, knob.FullPrecision)}
	return d, d.reopen(p.table)
}

// reopen replaces the simulated device by one with another table and the same settings.
func (d *device) reopen(t *servicetime.Table) (err error) {
	d.Target, err = virtual.Open(virtual.Config{
		Name: "problem", Source: "sim:problem", Table: t, Wake: d.problem.wake, MinTimeLimit: virtualTimeLimit,
		Start: knob.Config{Settings: d.current, Options: knob.Options{Rule: knob.Eager}},
	})
	return err
}

// Apply applies s.
func (d *device) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	a, err := d.Target.Apply(ctx, s)
	if err == nil {
		d.current = s
	}
	return a, err
}

// driftPeriod is the number of measurements in one period of the drift.
const driftPeriod = 60

// Measure changes the speed of the device according to the drift, and measures.
func (d *device) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if d.problem.driftAmplitude > 0 {
		turn := 2 * math.Pi * float64(d.measured) / driftPeriod
		factor := 1 + d.problem.driftAmplitude*math.Sin(turn)
		rows := d.problem.table.Rows()
		for i := range rows {
			rows[i].Median = time.Duration(float64(rows[i].Median) * factor)
		}
		t, err := servicetime.New(rows)
		if err != nil {
			return trial.Result{}, err
		}
		if err := d.reopen(t); err != nil {
			return trial.Result{}, err
		}
	}
	d.measured++
	m.Stop = callLessOften(m.Stop)
	return d.Target.Measure(ctx, m)
}

// callLessOften calls a Stop only after the number of samples has increased by a tenth: each call
// takes time proportional to all samples, and on a slow device most blocks have few new ones.
func callLessOften(stop sweep.Stop) sweep.Stop {
	seen := 0
	return func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		if len(samples) < seen+seen/10 {
			return false, ""
		}
		seen = len(samples)
		return stop(elapsed, samples)
	}
}
