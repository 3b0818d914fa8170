// Package virtual is a simulated device as a sweep.Target, in virtual time, with package predict.
// Settings take effect at once, a measurement of minutes takes milliseconds, and the same seed
// gives the same figures on every machine. It is for sweeps without the hardware, and for tests
// that know the true values.
//
// [Open] makes a [Target] from a service-time table. Only one goroutine may use it at a time.
//
// It does not measure utilization, decoding and encoding times, and the lag of the generator.
package virtual

import (
	"context"
	"fmt"
	"maps"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// Config describes the device.
type Config struct {
	Name   string // of the model: animated-drawings
	Source string // what the user named: sim:animated-drawings
	SHA256 string // of the table's text, hex; "" is unknown
	Table  *servicetime.Table
	Start  knob.Config // settings and batching rule at the start

	// MinTimeLimit is the smallest time limit of a measurement, in virtual time. A sweep divides
	// its budget of real time among its measurements, but virtual time needs hardly any real time.
	// 0 has no effect.
	MinTimeLimit time.Duration
	// Timeout is the time after which the client of a request gives up, as package predict has it; 0 is never.
	Timeout time.Duration
	// Wake is the mean time that a sleeping worker takes to wake up; 0 is none.
	Wake time.Duration // mean time in which a sleeping worker wakes up; 0 is none
}

// Target is a simulated device.
type Target struct {
	cfg     Config
	places  []knob.Place // those of the table
	current knob.Settings
	curve   servicetime.Curve // of the current settings
	sim     *predict.Sim      // nil before the first measurement
}

// fixed are the knobs that have no effect, with the reasons.
var fixed = map[knob.Name]string{knob.Threads: "a service-time table has no threads"}

// block is the virtual time between two calls of Stop. defaultTime is the time limit if the
// Measurement has none.
const (
	block       = 250 * time.Millisecond
	defaultTime = 60 * time.Second
	maxPlanned  = 20_000_000 // requests of a load without a maximum
)

// Open returns the device with its start settings in force.
func Open(c Config) (*Target, error) {
	if err := c.Start.CheckSupported(); err != nil {
		return nil, fmt.Errorf("%w: a virtual device has no options", err)
	}
	t := &Target{cfg: c}
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

// Info describes the device. It has no cores, but the limits have as many as the table's largest
// number of workers, because a search derives its range of workers from them.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	return sweep.Info{
		Model: sweep.ModelInfo{
			Name: t.cfg.Name, Version: "1.0", Source: t.cfg.Source, SHA256: t.cfg.SHA256,
			BatchAxis: true, BatchWhy: "the service-time table has batches",
		},
		Limits: t.limits(), Options: t.cfg.Start.Options, Current: t.current,
		Metrics: trial.MetricSet{ModelLatency: true, Batches: true, Breakdown: true},
		Runtime: "virtual device",
		Fixed:   maps.Clone(fixed),
	}, nil
}

func (t *Target) limits() knob.Limits {
	return knob.Limits{Rule: t.cfg.Start.Rule, Cores: t.cfg.Table.MostWorkers(), BatchAxis: true, Places: t.places}
}

// Apply applies s if the table has times for it.
func (t *Target) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	if err := s.Validate(t.limits()); err != nil {
		return sweep.Applied{}, err
	}
	for n, why := range fixed { // a value that changes nothing would be recorded and exported as if it had been in force
		if only := knob.Default(t.cfg.Start.Rule).Get(n); s.Get(n) != only {
			return sweep.Applied{}, fmt.Errorf("%s stays at %s: %s", n, only, why)
		}
	}
	curve, err := t.cfg.Table.Curve(servicetime.Key{Workers: s.Workers, Device: s.Device, Precision: s.Precision.String()})
	if err != nil {
		return sweep.Applied{}, fmt.Errorf("%s: %w", t.cfg.Source, err)
	}
	t.current, t.curve = s, curve
	return sweep.Applied{Settings: s}, nil
}

// Measure runs the load in virtual time, calls m.Stop after every 250 ms of it, and summarizes the
// samples. The requests in flight at the end are answered.
func (t *Target) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	m = sweep.WholeLoad(m)
	limit := m.Time
	if limit == 0 {
		limit = defaultTime
	}
	limit = max(limit, t.cfg.MinTimeLimit)
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

// config returns the simulated run of m.
func (t *Target) config(m sweep.Measurement, limit time.Duration) (predict.Config, error) {
	c := predict.Config{
		Settings: t.current, Rule: t.cfg.Start.Rule, Service: t.curve,
		Wake: t.cfg.Wake, Seed: m.Seed, Detail: true, Timeout: t.cfg.Timeout,
	}
	maxRequests := m.Max
	if maxRequests == 0 {
		maxRequests = maxPlanned
	}
	var err error
	switch {
	case m.Load.Mode == load.Trace:
		c.Plan, err = load.ReadTrace(m.Load)
	case m.Load.Mode == load.Open && m.Load.Rate > 0,
		m.Load.Mode == load.Ramp && min(m.Load.From, m.Load.To) > 0:
		c.Plan = load.Plan(m.Load, m.Seed, limit, maxRequests)
	case m.Load.Mode == load.Closed && m.Load.Concurrency > 0:
		c.Clients, c.Requests = m.Load.Concurrency, maxRequests
	default:
		err = fmt.Errorf("load %v: want a concurrency, a rate, a ramp or a trace", m.Load)
	}
	return c, err
}

// run advances virtual time in blocks until the load ends, m.Stop returns true, or a closed load
// reaches its time limit. Then it runs until everything is answered.
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
		if len(s.Samples()) == seen { // no new samples on a slow device
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

// result converts the run to a result of the load generator.
func (t *Target) result(c predict.Config) load.Result {
	r := load.Result{
		Samples: t.sim.Samples(), Sent: t.sim.Sent(), Lag: latency.New(),
	}
	if c.Plan != nil {
		r.Planned = r.Sent // without lag all requests were sent as planned
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

// Close does nothing.
func (t *Target) Close(context.Context) error { return nil }
