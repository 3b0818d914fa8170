package sweep

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// A probe runs until so many full batches were timed, or for so long. Batches
// that began in its first part meet an engine that is still filling up, unless
// one takes longer than that.
const (
	probeRuns    = 16
	probeTime    = 500 * time.Millisecond
	maxProbeTime = time.Minute // for batches that outlast probeTime
	probeWarmup  = 2           // batches a worker
)

// probe times full batches with every worker busy: as many clients as all
// workers take at once, half as many again waiting.
func (s *run) probe(ctx context.Context, p plan.Point) error {
	clients := p.Settings.Workers * p.Settings.BatchSize * 3 / 2
	p.Settings.QueueSize = max(p.Settings.QueueSize, clients)
	p.Load = load.Spec{Mode: load.Closed, Concurrency: max(2, clients)}
	begin := time.Now()
	out := trial.Probe{N: len(s.probes) + 1, At: begin.UTC(), Settings: p.Settings, BatchSize: p.Settings.BatchSize}
	s.reportProgress(&Current{N: out.N, Point: p, Stage: StageApply})
	applied, err := applyExactly(ctx, s.Target, p.Settings)
	if applied.Died != nil {
		if err := s.recordDeath(applied.Died); err != nil {
			return err
		}
	}
	if err == nil {
		err = s.timeBatches(ctx, p, &out)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		out.Error = err.Error()
	}
	out.Seconds = time.Since(begin).Round(time.Millisecond).Seconds()
	if err := s.Recorder.Probe(out); err != nil {
		return err
	}
	s.probes = append(s.probes, asRecorded(out))
	s.reportProgress(nil)
	return nil
}

// probeLimit is how long a probe may measure: what the probes before it have left
// of their share of the budget.
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

// timed measures the point and puts the service time into out. A batch that alone
// outlasts probeTime is no better known for being run again: of such ones each
// worker runs one, and what is still in flight is given up.
func (s *run) timeBatches(ctx context.Context, p plan.Point, out *trial.Probe) error {
	limit, size := s.probeLimit(), p.Settings.BatchSize
	warm := probeWarmup * p.Settings.Workers
	ctx, cancel := context.WithTimeout(ctx, 2*limit+probeTime) // a target may run the model alone first, and there are the last answers
	defer cancel()
	var times []float64
	slow := false
	_, err := s.Target.Measure(ctx, Measurement{
		Load: p.Load, Seed: s.Seed, SLA: s.SLA, Time: limit,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			runs := len(fullBatches(samples, size)) - warm
			return runs >= probeRuns || runs > 0 && elapsed >= probeTime, ""
		},
		Progress: func(_ time.Duration, samples []load.Sample) {
			times = fullBatches(samples, size)
			if len(times) >= p.Settings.Workers && slices.Min(times) >= ms(probeTime) {
				slow = true
				cancel()
			}
		},
	})
	switch slow = slow || len(times) > 0 && slices.Min(times) >= ms(probeTime); {
	case slow: // each of them is far longer than the time an engine takes to fill up
	case err != nil && ctx.Err() == nil:
		return err
	default:
		times = times[min(warm, len(times)):]
	}
	if len(times) == 0 {
		return fmt.Errorf("no batch of %d ran within %v", size, limit.Round(100*time.Millisecond))
	}
	out.Runs, out.ServiceTime = len(times), summarizeTimes(times)
	return nil
}

// service sums up times in ms. One alone is its own median, with open ends.
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

// scatter is the standard deviation of times as a share of their median, from their
// quartiles, which a few outliers do not move; unknown for fewer than eight.
func spreadOf(times []float64) trial.Num {
	const quartiles = 1.349 // between those of a normal law, in standard deviations
	if len(times) < 8 {
		return trial.Num{}
	}
	t := slices.Sorted(slices.Values(times))
	at := func(q float64) float64 { return t[int(math.Ceil(q*float64(len(t))))-1] }
	return trial.NumOf((at(.75) - at(.25)) / quartiles / at(.5))
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
