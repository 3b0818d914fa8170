package sweep

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// SeparatingLimit is a latency limit for a demonstration: on this machine the small batch
// size exceeds it and the large one does not.
type SeparatingLimit struct {
	Small, Large BatchLatency
	Limit        time.Duration // 0 if the latencies of the two sizes are too close
}

// BatchLatency has percentiles of the request latency at a batch size, in ms.
type BatchLatency struct {
	BatchSize int
	P75, P99  float64
}

// The measurement of each batch size ends when it has separateAnswers and has lasted
// separateMinTime, or after separateMaxTime.
const (
	separateAnswers = 300
	separateMinTime = 1200 * time.Millisecond
	separateMaxTime = 8 * time.Second
	separateWarmup  = 250 * time.Millisecond
)

// The limit is at most slowMargin times the P75 of the small batch size, so that many
// requests exceed it and the verdict is fast, and at least fastMargin times the P99 of
// the large one, because a short measurement may underestimate the P99.
const (
	slowMargin = .85
	fastMargin = 1.25
)

// FindSeparatingLimit measures both batch sizes under a load and restores the settings of
// the target. If there is no limit, it measures once more, because a short measurement may
// have been disturbed.
func FindSeparatingLimit(ctx context.Context, t Target, l load.Spec, seed uint64, small, large int) (SeparatingLimit, error) {
	out := SeparatingLimit{}
	info, err := t.Info(ctx)
	if err != nil {
		return out, err
	}
	for range 2 {
		if out.Small, err = measureBatchSize(ctx, t, info.Current, small, l, seed); err == nil {
			out.Large, err = measureBatchSize(ctx, t, info.Current, large, l, seed)
		}
		if err != nil {
			break
		}
		if out.Limit = roundLimit(out.Large.P99*fastMargin, out.Small.P75*slowMargin); out.Limit > 0 {
			break
		}
	}
	_, restoreErr := t.Apply(ctx, info.Current)
	return out, errors.Join(err, restoreErr)
}

// measureBatchSize measures the request latency at a batch size.
func measureBatchSize(ctx context.Context, t Target, s knob.Settings, size int, l load.Spec, seed uint64) (BatchLatency, error) {
	s.BatchSize = size
	out := BatchLatency{BatchSize: size, P75: math.NaN(), P99: math.NaN()}
	if _, err := t.Apply(ctx, s); err != nil {
		return out, err
	}
	var values []float64
	_, err := t.Measure(ctx, Measurement{
		Load: l, Seed: seed, Time: separateMaxTime,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			return elapsed >= separateMinTime && len(plannedAfter(samples, separateWarmup)) >= separateAnswers, ""
		},
		Progress: func(_ time.Duration, samples []load.Sample) {
			values = latencies(plannedAfter(samples, separateWarmup), trial.RequestLatency)
		},
	})
	q := stat.Quantiles(values, .75, .99)
	out.P75, out.P99 = q[0].Value, q[1].Value
	return out, err
}

// roundLimit returns a round number between low and high ms, nearer to high, because the
// P99 from which low is calculated is less precise. It is 0 if low is above high.
func roundLimit(low, high float64) time.Duration {
	if !(low > 0 && low <= high) {
		return 0
	}
	ideal := low * math.Pow(high/low, .7)
	best, distance := 0.0, math.Inf(1)
	for decade := -1.0; decade <= 5; decade++ {
		for _, digits := range []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8} {
			v := digits * math.Pow(10, decade)
			if d := math.Abs(math.Log(v / ideal)); v >= low && v <= high && d < distance {
				best, distance = v, d
			}
		}
	}
	if best == 0 {
		best, _ = strconv.ParseFloat(strconv.FormatFloat(ideal, 'g', 2, 64), 64) // ParseFloat reads what FormatFloat writes
		best = min(max(best, low), high)
	}
	return time.Duration(best * float64(time.Millisecond)).Round(time.Microsecond)
}
