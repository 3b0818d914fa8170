package sweep

import (
	"context"
	"fmt"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// A probe runs until so many full batches were timed, or for so long. Batches
// that began in its first part meet an engine that is still filling up.
const (
	probeRuns   = 16
	probeTime   = 500 * time.Millisecond
	probeSlow   = 10 * time.Second // for one whose batches outlast probeTime
	probeWarmup = 2                // batches a worker
)

// probe times full batches with every worker busy: as many clients as all
// workers take at once, half as many again waiting.
func (s *run) probe(ctx context.Context, p plan.Point) error {
	clients := p.Settings.Workers * p.Settings.BatchSize * 3 / 2
	p.Settings.QueueSize = max(p.Settings.QueueSize, clients)
	p.Load = load.Spec{Mode: load.Closed, Concurrency: max(2, clients)}
	out := trial.Probe{N: len(s.probes) + 1, At: time.Now().UTC(), Settings: p.Settings, BatchSize: p.Settings.BatchSize}
	s.observe(&Current{N: out.N, Point: p, Stage: StageApply})
	applied, err := put(ctx, s.Target, p.Settings)
	if applied.Died != nil {
		if err := s.died(applied.Died); err != nil {
			return err
		}
	}
	if err == nil {
		err = s.timed(ctx, p, &out)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		out.Error = err.Error()
	}
	if err := s.Recorder.Probe(out); err != nil {
		return err
	}
	s.probes = append(s.probes, asRecorded(out))
	s.observe(nil)
	return nil
}

// timed measures the point and puts the service time into out.
func (s *run) timed(ctx context.Context, p plan.Point, out *trial.Probe) error {
	warm := probeWarmup * p.Settings.Workers
	var seen []load.Sample
	_, err := s.Target.Measure(ctx, Measurement{
		Load: p.Load, Seed: s.Seed, SLA: s.SLA, Time: probeSlow,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			runs := len(fullBatches(samples, p.Settings.BatchSize)) - warm
			return runs >= probeRuns || runs > 0 && elapsed >= probeTime, ""
		},
		Progress: func(_ time.Duration, samples []load.Sample) { seen = samples },
	})
	if err != nil {
		return err
	}
	times := fullBatches(seen, p.Settings.BatchSize)
	if len(times) <= warm {
		return fmt.Errorf("no batch of %d formed within %v", p.Settings.BatchSize, probeSlow)
	}
	times = times[warm:]
	m := stat.Quantile(times, .5)
	out.Runs = len(times)
	out.Service = trial.Service{Median: trial.Of(m.Value), Low: trial.Of(m.Low), High: trial.Of(m.High)}
	return nil
}

// fullBatches returns the execution times, in ms, of the batches of the given
// size, in the order in which their first answers came. The answers of one
// batch tell the same time.
func fullBatches(samples []load.Sample, size int) []float64 {
	left := map[time.Duration]int{} // answers to come of batches that took so long
	var out []float64
	for _, s := range samples {
		if int(s.Batch) != size || s.Model <= 0 {
			continue
		}
		if left[s.Model] == 0 {
			left[s.Model] = size
			out = append(out, ms(s.Model))
		}
		left[s.Model]--
	}
	return out
}
