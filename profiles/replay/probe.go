package replay

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// saturates reports whether a load fills all batches of the settings in force.
func (t *Target) saturates(l load.Spec) bool {
	return l.Mode == load.Closed && l.Concurrency > t.current.Workers*t.current.BatchSize
}

// probeBlock is the length of the blocks of a probe, in its simulated time. maxProbe is the
// limit of a Measurement without one.
const (
	probeBlock = 50 * time.Millisecond
	maxProbe   = 60 * time.Second
)

// probe simulates full batches under a saturating load. Each worker executes one batch
// after the other.
func (t *Target) probe(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	curve, err := t.curve()
	if err != nil {
		return trial.Result{}, err
	}
	limit := m.Time
	if limit == 0 {
		limit = maxProbe
	}
	p := newSimulation(curve, t.current, m)
	for end := probeBlock; end <= limit && !p.full(); end += probeBlock {
		if ctx.Err() != nil {
			return trial.Result{}, context.Cause(ctx)
		}
		if !p.advance(end) {
			continue
		}
		if m.Progress != nil {
			m.Progress(end, p.samples)
		}
		if stop, _ := m.Stop(end, p.samples); stop {
			break
		}
	}
	return sweep.Summarize(p.result(), m.Load, m.SLA, "service times of "+t.profile.Header.ID), nil
}

// reportedBatches is the number of batches per worker that reportFullBatches simulates.
const reportedBatches = 20

// reportFullBatches calls Progress of a measurement with full batches if its load is
// saturating, although its result was recorded: the measurement may be a probe whose load
// the profile has too. Stop is not called, because the result is known.
func (t *Target) reportFullBatches(m sweep.Measurement) {
	curve, err := t.curve()
	if err != nil || m.Progress == nil || !t.saturates(m.Load) {
		return
	}
	p := newSimulation(curve, t.current, m)
	end := reportedBatches * curve.At(t.current.BatchSize)
	p.advance(end)
	m.Progress(end, p.samples)
}

// curve returns the service times of the settings in force: of their probe, if one was
// recorded for full batches, else of the curve of the profile.
func (t *Target) curve() (servicetime.Curve, error) {
	s := t.current
	for _, b := range t.profile.Probes {
		median, ok := b.ServiceTime.Median.Get()
		if !ok || b.BatchSize != s.BatchSize || profiles.CurveKeyOf(b.Settings) != profiles.CurveKeyOf(s) {
			continue
		}
		e := trial.Estimate{Value: b.ServiceTime.Median, Low: b.ServiceTime.Low, High: b.ServiceTime.High}
		line := servicetime.Line(time.Duration(median*float64(time.Millisecond)), 0)
		return line.WithSpread(logStandardError(e) * math.Sqrt(float64(max(b.Runs, 1)))), nil
	}
	c, ok := t.times[profiles.CurveKeyOf(s)]
	if !ok {
		return c, fmt.Errorf("replay: %s has no service times of %v: its trials have no batches; record it with a target that reports them", t.profile.Header.ID, s)
	}
	return c, nil
}

// simulation simulates a probe and has its samples.
type simulation struct {
	curve   servicetime.Curve
	size    int
	max     int // limit of the number of samples; 0 is no limit
	clients int
	rng     *rand.Rand
	workers []batch
	samples []load.Sample
}

// batch is a batch that a worker executes: when it ends, and its service time.
type batch struct{ end, service time.Duration }

func newSimulation(c servicetime.Curve, s knob.Settings, m sweep.Measurement) *simulation {
	p := &simulation{
		curve: c, size: s.BatchSize, max: m.Max, clients: m.Load.Concurrency,
		rng: rand.New(rand.NewPCG(m.Seed, resampleStream)), workers: make([]batch, s.Workers),
	}
	for i := range p.workers {
		p.workers[i] = p.next(0)
	}
	return p
}

// next returns a batch that starts now.
func (p *simulation) next(now time.Duration) batch {
	service := time.Duration(float64(p.curve.At(p.size)) * math.Exp(p.curve.Sigma(p.size)*p.rng.NormFloat64()))
	return batch{now + service, service}
}

func (p *simulation) full() bool { return p.max > 0 && len(p.samples) >= p.max }

// advance simulates until end and reports whether a batch has ended.
func (p *simulation) advance(end time.Duration) bool {
	before := len(p.samples)
	for !p.full() {
		first := &p.workers[0]
		for i := range p.workers {
			if p.workers[i].end < first.end {
				first = &p.workers[i]
			}
		}
		if first.end > end {
			break
		}
		p.add(*first)
		*first = p.next(first.end)
	}
	return len(p.samples) > before
}

// add adds the samples of one batch. By Little's law the latency of its requests is the
// time in which all clients are served once.
func (p *simulation) add(b batch) {
	rounds := float64(p.clients) / float64(len(p.workers)*p.size)
	latency := min(b.end, time.Duration(max(1, rounds)*float64(b.service)))
	for range p.size {
		p.samples = append(p.samples, load.Sample{
			Planned: b.end - latency, Latency: latency, Model: b.service, Queue: latency - min(latency, b.service),
			Batch: int32(p.size), Status: 200, Outcome: load.OK,
		})
	}
}

// result returns the result of the run in the form of the load generator.
func (p *simulation) result() load.Result {
	r := load.Result{Samples: p.samples, Sent: len(p.samples)}
	for _, s := range p.samples {
		r.Seconds = max(r.Seconds, (s.Planned + s.Latency).Seconds())
	}
	return r
}
