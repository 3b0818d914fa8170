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

// device is a problem as a sweep sees it: a virtual device that a drifting
// problem makes slower and faster from one measurement to the next.
type device struct {
	*virtual.Target
	problem  *problem
	current  knob.Settings
	measured int
}

// longestVirtual is the longest virtual time of a measurement.
const longestVirtual = time.Hour

func (p *problem) open() (*device, error) {
	d := &device{problem: p, current: spaceSettings(1, 1, 0, knob.FullPrecision)}
	return d, d.reopen(p.table)
}

// reopen makes the virtual device anew with another table, the settings kept.
func (d *device) reopen(t *servicetime.Table) (err error) {
	d.Target, err = virtual.Open(virtual.Config{
		Name: "problem", Source: "sim:problem", Table: t, Wake: d.problem.wake, Longest: longestVirtual,
		Start: knob.Config{Settings: d.current, Options: knob.Options{Rule: knob.Eager}},
	})
	return err
}

// Apply is virtual.Target's.
func (d *device) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	a, err := d.Target.Apply(ctx, s)
	if err == nil {
		d.current = s
	}
	return a, err
}

// driftPeriod is after how many measurements a drifting device is as it was.
const driftPeriod = 60

// Measure is virtual.Target's, after the device has drifted.
func (d *device) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if d.problem.swing > 0 {
		turn := 2 * math.Pi * float64(d.measured) / driftPeriod
		factor := 1 + d.problem.swing*math.Sin(turn)
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
	m.Stop = seldom(m.Stop)
	return d.Target.Measure(ctx, m)
}

// seldom asks a Stop only when there is a tenth more to look at than it has seen:
// on a slow device most blocks bring few answers, and each look takes as long as
// all there are.
func seldom(stop sweep.Stop) sweep.Stop {
	asked := 0
	return func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		if len(samples) < asked+asked/10 {
			return false, ""
		}
		asked = len(samples)
		return stop(elapsed, samples)
	}
}
