// Package virtual is a device that exists on paper: a sweep.Target over
// [predict], in virtual time. Settings take effect at once, a measurement of
// minutes takes milliseconds, and the same seed gives the same figures on every
// machine. It shows what a sweep does where the hardware is missing, and it is
// the truth that tests hold measurements against.
//
// [Open] makes a [Target] of a service-time table. One goroutine uses it at a
// time.
//
// What it cannot tell is n/a: utilization, decoding and encoding, and the lag of
// a generator that has none.
package virtual

import (
	"context"
	"fmt"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// Config is what the device is.
type Config struct {
	Name   string // of the model: animated-drawings
	Source string // what the user named: sim:animated-drawings
	SHA256 string // of the table's text, hex; "" is not known
	Table  *servicetime.Table
	Start  knob.Config // settings and rule to begin with

	// Longest is a measurement's longest virtual time where that is more than
	// the Measurement says: a sweep shares out real time, and virtual time costs
	// none. 0 changes nothing.
	Longest time.Duration
	// Wake is the mean time that a sleeping worker takes to wake up; 0 is none.
	Wake time.Duration
}

// Target is a virtual device.
type Target struct {
	c       Config
	places  []knob.Place // that the table has times for
	current knob.Settings
	curve   servicetime.Curve // of current
	sim     *predict.Sim      // nil before the first measurement
}

// block is how much virtual time passes between two questions to Stop, and
// defaultTime how much when a Measurement does not say.
const (
	block       = 250 * time.Millisecond
	defaultTime = 60 * time.Second
	mostPlanned = 20_000_000 // requests of a load without a limit
)

// Open makes the device with its start settings in force.
func Open(c Config) (*Target, error) {
	if err := c.Start.CheckSupported(); err != nil {
		return nil, fmt.Errorf("%w: a virtual device has no options", err)
	}
	t := &Target{c: c}
	for _, k := range c.Table.Kinds() {
		p := knob.Place{Device: k.Device, Workers: k.Workers}
		if err := p.Precision.UnmarshalText([]byte(k.Precision)); err != nil {
			return nil, err
		}
		t.places = append(t.places, p)
	}
	if _, err := t.Apply(context.Background(), c.Start.Settings); err != nil {
		return nil, err
	}
	return t, nil
}

// Info says what the device is. It has no cores; the limits, by which a search
// of workers goes, have as many as the table has workers.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	return sweep.Info{
		Model: sweep.ModelInfo{
			Name: t.c.Name, Version: "1.0", Source: t.c.Source, SHA256: t.c.SHA256,
			BatchAxis: true, BatchWhy: "the service-time table has batches",
		},
		Limits: t.limits(), Options: t.c.Start.Options, Current: t.current,
		Metrics: trial.MetricSet{ModelLatency: true, Batches: true, Breakdown: true},
		Runtime: "virtual device",
		Fixed:   map[knob.Name]string{knob.Threads: "a service-time table has no threads"},
	}, nil
}

func (t *Target) limits() knob.Limits {
	return knob.Limits{Rule: t.c.Start.Rule, Cores: t.c.Table.MostWorkers(), BatchAxis: true, Places: t.places}
}

// Apply puts s in force if the table has times for it.
func (t *Target) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	if err := s.Validate(t.limits()); err != nil {
		return sweep.Applied{}, err
	}
	curve, err := t.c.Table.Curve(servicetime.Key{Workers: s.Workers, Device: s.Device, Precision: s.Precision.String()})
	if err != nil {
		return sweep.Applied{}, fmt.Errorf("%s: %w", t.c.Source, err)
	}
	t.current, t.curve = s, curve
	return sweep.Applied{Settings: s}, nil
}

// Measure runs the load in virtual time, asks m.Stop after every 250 ms of it,
// and summarizes what it saw. What is under way at the end is answered.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	m = sweep.WholeLoad(m)
	limit := m.Time
	if limit == 0 {
		limit = defaultTime
	}
	limit = max(limit, t.c.Longest)
	c, err := t.config(m, limit)
	if err != nil {
		return trial.Result{}, err
	}
	why, err := t.run(ctx, c, m, limit)
	if err != nil {
		return trial.Result{}, err
	}
	out := sweep.Summarize(t.result(c), m.Load, m.SLA, why)
	out.Warnings = append(out.Warnings, sweep.LoadWarnings(m.Load)...)
	out.Use.GPU.Reason = "virtual device"
	return out, nil
}

// config is the simulated run of m.
func (t *Target) config(m sweep.Measurement, limit time.Duration) (predict.Config, error) {
	c := predict.Config{
		Settings: t.current, Rule: t.c.Start.Rule, Service: t.curve,
		Wake: t.c.Wake, Seed: m.Seed, Detail: true,
	}
	most := m.Max
	if most == 0 {
		most = mostPlanned
	}
	var err error
	switch {
	case m.Load.Mode == load.Trace:
		c.Plan, err = load.ReadTrace(m.Load)
	case m.Load.Mode == load.Open && m.Load.Rate > 0,
		m.Load.Mode == load.Ramp && min(m.Load.From, m.Load.To) > 0:
		c.Plan = load.Plan(m.Load, m.Seed, limit, most)
	case m.Load.Mode == load.Closed && m.Load.Concurrency > 0:
		c.Clients, c.Requests = m.Load.Concurrency, most
	default:
		err = fmt.Errorf("load %v: want a concurrency, a rate, a ramp or a trace", m.Load)
	}
	return c, err
}

// run lets virtual time pass, a block at a time, until the load has ended, m.Stop says so, or the
// limit of a closed load is there, and then until everything is answered.
func (t *Target) run(ctx context.Context, c predict.Config, m sweep.Measurement, limit time.Duration) (why string, err error) {
	if t.sim == nil {
		t.sim = predict.New(c)
	} else {
		t.sim.Reset(c)
	}
	s, seen := t.sim, 0
	for at := block; s.Advance(at) && (c.Plan != nil || at < limit); at += block {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if len(s.Samples()) == seen { // a slow device: nothing has changed
			continue
		}
		seen = len(s.Samples())
		stop, reason := m.Stop(at, s.Samples())
		if m.Progress != nil {
			m.Progress(at, s.Samples())
		}
		if stop {
			why = reason
			break
		}
	}
	s.Stop()
	s.Run()
	return why, nil
}

// result is the run as the generator would tell it.
func (t *Target) result(c predict.Config) load.Result {
	r := load.Result{
		Samples: t.sim.Samples(), Sent: t.sim.Sent(), Lag: latency.New(),
	}
	if c.Plan != nil {
		r.Planned = r.Sent // nobody is late in virtual time: what was due was sent
	}
	if len(r.Samples) == 0 {
		r.Err = "the load sent nothing"
		return r
	}
	last := time.Duration(0)
	for _, s := range r.Samples {
		last = max(last, s.Planned+s.Latency)
	}
	r.Seconds = last.Seconds()
	return r
}

// Close frees nothing: there is nothing.
func (t *Target) Close(context.Context) error { return nil }
