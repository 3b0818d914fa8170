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

// saturates tells whether a load fills every batch of the settings in force.
func (t *Target) saturates(l load.Spec) bool {
	return l.Mode == load.Closed && l.Concurrency > t.current.Workers*t.current.BatchSize
}

// A probe is asked in blocks of so much of its own time, and told no longer than
// a Measurement without a limit.
const (
	probeBlock   = 50 * time.Millisecond
	probeLongest = 60 * time.Second
)

// probe answers a saturating load with full batches, one after the other on each
// worker.
func (t *Target) probe(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	curve, err := t.curve()
	if err != nil {
		return trial.Result{}, err
	}
	limit := m.Time
	if limit == 0 {
		limit = probeLongest
	}
	p := newProbing(curve, t.current, m)
	for at := probeBlock; at <= limit && !p.full(); at += probeBlock {
		if ctx.Err() != nil {
			return trial.Result{}, context.Cause(ctx)
		}
		if !p.until(at) {
			continue
		}
		if m.Progress != nil {
			m.Progress(at, p.samples)
		}
		if stop, _ := m.Stop(at, p.samples); stop {
			break
		}
	}
	return sweep.Summarize(p.result(), m.Load, m.SLA, "service times of "+t.profile.Header.ID), nil
}

// shown is how many batches a worker shows beside a recorded result.
const shown = 20

// show lets a measurement that was recorded see full batches too, where its load
// makes them: the load of a probe may be one that the profile has, and nothing
// tells the two apart. Stop is not asked, for the result is there.
func (t *Target) show(m sweep.Measurement) {
	curve, err := t.curve()
	if err != nil || m.Progress == nil || !t.saturates(m.Load) {
		return
	}
	p := newProbing(curve, t.current, m)
	end := shown * curve.At(t.current.BatchSize)
	p.until(end)
	m.Progress(end, p.samples)
}

// curve is the service time of full batches of the settings in force: of a probe
// of theirs if one was recorded, else the profile's curve.
func (t *Target) curve() (servicetime.Curve, error) {
	s := t.current
	for _, b := range t.profile.Probes {
		median, ok := b.Service.Median.Get()
		if !ok || b.BatchSize != s.BatchSize || profiles.CurveKeyOf(b.Settings) != profiles.CurveKeyOf(s) {
			continue
		}
		e := trial.Estimate{Value: b.Service.Median, Low: b.Service.Low, High: b.Service.High}
		at := servicetime.Line(time.Duration(median*float64(time.Millisecond)), 0)
		return at.WithSpread(sigma(e) * math.Sqrt(float64(max(b.Runs, 1)))), nil
	}
	c, ok := t.times[profiles.CurveKeyOf(s)]
	if !ok {
		return c, fmt.Errorf("replay: %s tells no service times of %v: its trials have no batches; record it with a target that tells them", t.profile.Header.ID, s)
	}
	return c, nil
}

// probing makes the samples of a probe as time goes on.
type probing struct {
	curve   servicetime.Curve
	size    int
	most    int // samples; 0 is no limit
	clients int
	rng     *rand.Rand
	workers []running
	samples []load.Sample
}

// running is the batch that a worker executes.
type running struct{ end, took time.Duration }

func newProbing(c servicetime.Curve, s knob.Settings, m sweep.Measurement) *probing {
	p := &probing{
		curve: c, size: s.BatchSize, most: m.Max, clients: m.Load.Concurrency,
		rng: rand.New(rand.NewPCG(m.Seed, resampleStream)), workers: make([]running, s.Workers),
	}
	for i := range p.workers {
		p.workers[i] = p.next(0)
	}
	return p
}

// next is a batch that begins now.
func (p *probing) next(now time.Duration) running {
	took := time.Duration(float64(p.curve.At(p.size)) * math.Exp(p.curve.Sigma(p.size)*p.rng.NormFloat64()))
	return running{now + took, took}
}

func (p *probing) full() bool { return p.most > 0 && len(p.samples) >= p.most }

// until lets batches end up to the given time and tells whether any did.
func (p *probing) until(at time.Duration) bool {
	before := len(p.samples)
	for !p.full() {
		first := &p.workers[0]
		for i := range p.workers {
			if p.workers[i].end < first.end {
				first = &p.workers[i]
			}
		}
		if first.end > at {
			break
		}
		p.batch(*first)
		*first = p.next(first.end)
	}
	return len(p.samples) > before
}

// batch adds the answers of one batch. By Little's law its requests have waited
// for as long as it takes to serve all clients once.
func (p *probing) batch(b running) {
	rounds := float64(p.clients) / float64(len(p.workers)*p.size)
	latency := min(b.end, time.Duration(max(1, rounds)*float64(b.took)))
	for range p.size {
		p.samples = append(p.samples, load.Sample{
			Planned: b.end - latency, Latency: latency, Model: b.took, Queue: latency - min(latency, b.took),
			Batch: int32(p.size), Status: 200, Outcome: load.OK,
		})
	}
}

// result is the run as a generator would tell it.
func (p *probing) result() load.Result {
	r := load.Result{Samples: p.samples, Sent: len(p.samples)}
	for _, s := range p.samples {
		r.Seconds = max(r.Seconds, (s.Planned + s.Latency).Seconds())
	}
	return r
}
