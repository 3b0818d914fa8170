package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/servercost"
	"sweetspot/sweep/trial"
)

// ServerProbe measures what a server adds to the service times of a model: closed loads at a few
// settings, in at most a given time.
type ServerProbe struct {
	Target Target
	Points []knob.Settings // the settings that are to be predicted
	Time   time.Duration   // of all loads together; 0 is a minute. A change of settings is never interrupted
	Step   time.Duration   // of one load, at least; 0 is a second
	SLA    trial.SLA       // only the timeout of requests follows from it
	Seed   uint64
	// OnStep is called before each load and at the end; nil is allowed.
	OnStep func(done, total int, s servercost.Step)
}

// Limits of a ServerProbe.
const (
	serverProbeTime = time.Minute
	serverProbeStep = time.Second
	serverWarmup    = 12 * time.Second // longest, of its time
	warmAnswers     = 10_000           // with fewer, a server in Java has not compiled its code
	steadyShare     = .05              // two loads in a row differ by no more when the server is warm
	unsteadyError   = .04              // standard error of a rate above which its load is measured again
	maxStepRuns     = 3
)

// Run measures the loads of servercost.Plan with the other settings that are in force on the target.
// If the time is over it returns those that were measured.
func (p ServerProbe) Run(ctx context.Context) ([]servercost.Probe, error) {
	if p.Time <= 0 {
		p.Time = serverProbeTime
	}
	if p.Step <= 0 {
		p.Step = serverProbeStep
	}
	if p.OnStep == nil {
		p.OnStep = func(int, int, servercost.Step) {}
	}
	info, err := p.Target.Info(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay} {
		if why := info.Fixed[n]; why != "" {
			return nil, fmt.Errorf("the cost of the server cannot be measured, because its %s is fixed: %s", n, why)
		}
	}
	steps := servercost.Plan(p.Points)
	if len(steps) == 0 {
		return nil, errors.New("there are no settings to predict")
	}
	var out []servercost.Probe
	begin := time.Now()
	for i, s := range steps {
		if i > 0 && time.Since(begin) > p.Time {
			break
		}
		p.OnStep(i, len(steps), s)
		s.Settings = withProbed(info.Current, s.Settings)
		if _, err := applyExactly(ctx, p.Target, s.Settings); err != nil {
			return out, err
		}
		if i == 0 {
			if err := p.warmUp(ctx, s); err != nil {
				return out, err
			}
		}
		until := begin.Add(p.Time * time.Duration(i+1) / time.Duration(len(steps)))
		found, err := p.measureSteadily(ctx, s, until)
		out = append(out, found...)
		if err != nil {
			return out, err
		}
	}
	p.OnStep(len(steps), len(steps), servercost.Step{})
	return out, nil
}

// withProbed returns the settings in force with the workers, batch size and batch delay of s.
func withProbed(current, s knob.Settings) knob.Settings {
	current.Workers, current.BatchSize, current.BatchDelay = s.Workers, s.BatchSize, s.BatchDelay
	return current
}

// warmUp sends the load of a step until two parts of it in a row have equal rates, after enough
// answers: a server in Java is several times slower in its first seconds.
func (p ServerProbe) warmUp(ctx context.Context, s servercost.Step) error {
	before, answers := math.NaN(), 0
	for begin := time.Now(); time.Since(begin) < min(serverWarmup, p.Time/4); {
		r, err := p.measure(ctx, s)
		if err != nil {
			return err
		}
		rate := r.Throughput.Value.Or(math.NaN())
		if answers += r.Counts.OK; answers >= warmAnswers && math.Abs(rate/before-1) <= steadyShare {
			return nil
		}
		before = rate
	}
	return nil
}

// measureSteadily measures a step, and again up to a time while its rate is uncertain: other work on the machine may end
// soon. All measurements count, each by its error.
func (p ServerProbe) measureSteadily(ctx context.Context, s servercost.Step, until time.Time) (out []servercost.Probe, err error) {
	for range maxStepRuns {
		r, err := p.measure(ctx, s)
		if err != nil {
			return out, err
		}
		found, ok := probeOf(s, r)
		if ok {
			out = append(out, found)
		}
		if ok && found.Error <= unsteadyError || time.Now().After(until) {
			break
		}
	}
	return out, nil
}

// measure sends the load of a step: for the time of a step, and for as long as a few batches of
// each worker need, but at most five times as long.
func (p ServerProbe) measure(ctx context.Context, s servercost.Step) (trial.Result, error) {
	const batches, longest = 8, 5
	need := batches * s.Settings.Workers * s.Settings.BatchSize
	return p.Target.Measure(ctx, Measurement{
		Load: load.Spec{Mode: load.Closed, Concurrency: s.Clients}, Seed: p.Seed, SLA: p.SLA, Time: longest * p.Step,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			return elapsed >= p.Step && len(samples) >= need, ""
		},
	})
}

// probeOf returns the figures of a load; false if it has no rate, or if the generator was its limit.
func probeOf(s servercost.Step, r trial.Result) (servercost.Probe, bool) {
	rate, ok := r.Throughput.Value.Get()
	if !ok || rate <= 0 || r.GeneratorLimited {
		return servercost.Probe{}, false
	}
	const halfWidth = 1.96 // of a 95% interval in standard errors
	low, high := r.Throughput.Low.Or(rate), r.Throughput.High.Or(rate)
	return servercost.Probe{
		Settings: s.Settings, Clients: s.Clients, Rate: rate,
		Error: (high - low) / 2 / halfWidth / rate, P99: r.Latency.P99.Value.Or(math.NaN()),
	}, true
}
