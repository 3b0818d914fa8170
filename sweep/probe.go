package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// A probe ends after probeRuns full batches, or after probeTime if it has measured one.
const (
	probeRuns    = 16
	probeTime    = 500 * time.Millisecond
	maxProbeTime = time.Minute // longest probe, for batches that take longer than probeTime
	probeWarmup  = 2           // batches per worker that do not count: the queue is not full yet
)

// probe measures the service time of full batches while every worker executes one. It uses 1.5
// times as many clients as all batches have rows, so that the queue is never empty. A point with a closed load is a
// probe of its throughput instead.
func (s *run) probe(ctx context.Context, p plan.Point) error {
	ofThroughput := p.Load.Concurrency > 0
	if !ofThroughput {
		clients := p.Settings.Workers * p.Settings.BatchSize * 3 / 2
		p.Settings.QueueSize = max(p.Settings.QueueSize, clients)
		p.Load = load.Spec{Mode: load.Closed, Concurrency: max(2, clients)}
	}
	begin := time.Now()
	out := trial.Probe{N: len(s.probes) + 1, At: begin.UTC(), Settings: p.Settings, BatchSize: p.Settings.BatchSize}
	s.reportProgress(&Current{N: out.N, Point: p, Stage: StageApply})
	applied, err := applyExactly(ctx, s.Target, p.Settings)
	if applied.Died != nil {
		if err := s.recordDeath(applied.Died); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
	case ofThroughput:
		err = s.probeThroughput(ctx, p, &out)
	default:
		err = s.timeBatches(ctx, p, &out)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		out.Error = err.Error()
	}
	if errors.Is(err, ErrEngineDied) { // the next probe is of other settings: it does not count as a death in a row
		if err := s.Recorder.Event(deathEvent(err)); err != nil {
			return err
		}
	}
	out.Seconds = time.Since(begin).Round(time.Millisecond).Seconds()
	if err := s.Recorder.Probe(out); err != nil {
		return err
	}
	s.probes = append(s.probes, asRecorded(out))
	s.reportProgress(nil)
	return nil
}

// probeLimit returns how long a probe may take: the rest of the share of the budget that all probes
// have.
func (s *run) probeLimit() time.Duration {
	share := plan.Budget{Time: s.Time}.ProbeTime()
	if share == 0 {
		return maxProbeTime
	}
	for _, p := range s.probes {
		share -= time.Duration(p.Seconds * float64(time.Second))
	}
	return min(max(share, probeTime), maxProbeTime)
}

// timeBatches measures the point and sets the service time of out. If a batch takes
// longer than probeTime, one batch per worker is enough, and the requests in flight are
// cancelled.
func (s *run) timeBatches(ctx context.Context, p plan.Point, out *trial.Probe) error {
	limit, size := s.probeLimit(), p.Settings.BatchSize
	warm := probeWarmup * p.Settings.Workers
	ctx, cancel := context.WithTimeout(ctx, 2*limit+probeTime) // a target may measure the bare rate first, and waits for the last answers
	defer cancel()
	var times []float64
	slow := false
	fit := lengthFit{bodies: s.Bodies}
	_, err := s.Target.Measure(ctx, Measurement{
		Load: p.Load, Seed: s.Seed, SLA: s.SLA, Time: limit,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			runs := len(fullBatches(samples, size)) - warm
			return runs >= probeRuns || runs > 0 && elapsed >= probeTime, ""
		},
		Progress: func(_ time.Duration, samples []load.Sample) {
			times = fullBatches(samples, size)
			fit.to(samples)
			if len(times) >= p.Settings.Workers && slices.Min(times) >= ms(probeTime) {
				slow = true
				cancel()
			}
		},
	})
	switch slow = slow || len(times) > 0 && slices.Min(times) >= ms(probeTime); {
	case slow: // a batch is much longer than the warm-up of the queue, so all of them count
	case err != nil && ctx.Err() == nil:
		return err
	default:
		times = times[min(warm, len(times)):]
	}
	if len(times) == 0 {
		return fmt.Errorf("no batch of %d was executed within %v", size, limit.Round(100*time.Millisecond))
	}
	out.Runs, out.ServiceTime, out.Lengths = len(times), summarizeTimes(times), fit.found
	return nil
}

// summarizeTimes returns the statistics of times in ms. A single time is the median with open ends.
func summarizeTimes(times []float64) trial.ServiceTime {
	median := stat.Quantile(times, .5)
	if len(times) == 1 {
		median.Value = times[0]
	}
	return trial.ServiceTime{
		Median: trial.NumOf(median.Value), Low: trial.NumOf(median.Low), High: trial.NumOf(median.High),
		Fastest: trial.NumOf(slices.Min(times)), Spread: spreadOf(times),
	}
}

// spreadOf estimates standard deviation / median of times from their quartiles, so that
// a few outliers do not change it. It is missing for fewer than eight times.
func spreadOf(times []float64) trial.Num {
	const quartiles = 1.349 // distance of the quartiles of a normal distribution in standard deviations
	if len(times) < 8 {
		return trial.Num{}
	}
	t := slices.Sorted(slices.Values(times))
	at := func(q float64) float64 { return t[int(math.Ceil(q*float64(len(t))))-1] }
	return trial.NumOf((at(.75) - at(.25)) / quartiles / at(.5))
}

// fullBatches returns the execution times in ms of the batches of the given size, in the
// order of their first answers. All answers of a batch have the same execution time, so
// it counts size answers with one time as one batch.
func fullBatches(samples []load.Sample, size int) []float64 {
	left := map[time.Duration]int{} // answers that a counted batch still has, by execution time
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
