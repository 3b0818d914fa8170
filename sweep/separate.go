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

// Separation is what a load sees at two batch sizes, and a limit between the two
// that the small one breaks and the large one keeps on the machine it was
// measured on.
type SeparatingLimit struct {
	Small, Large BatchLatency
	Limit        time.Duration // 0 where the two are too close for one
}

// Seen is what requests take at a batch size, in ms.
type BatchLatency struct {
	BatchSize int
	P75, P99  float64
}

// How long Separate measures each batch size: until so many answers came and so
// much time went by, but not for ever.
const (
	separateAnswers = 300
	separateMinTime   = 1200 * time.Millisecond
	separateMaxTime    = 8 * time.Second
	separateWarmup    = 250 * time.Millisecond
)

// The limit keeps its distance: a quarter of the slow requests are well over it,
// that the promise is broken at once, and the slowest of the fast ones are below,
// of which a short look does not show all.
const (
	slowMargin = .85
	fastMargin = 1.25
)

// Separate measures both batch sizes under a load and puts the target's settings
// back. It is tried twice: others on the machine may disturb a look of a second.
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
	_, back := t.Apply(ctx, info.Current)
	return out, errors.Join(err, back)
}

// see measures a batch size.
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

// between is a limit that people would say, from low to high ms and rather near
// high: how slow the fast ones may be is less well known. It is 0 where low is
// above high.
func roundLimit(low, high float64) time.Duration {
	if !(low > 0 && low <= high) {
		return 0
	}
	want := low * math.Pow(high/low, .7)
	best, far := 0.0, math.Inf(1)
	for decade := -1.0; decade <= 5; decade++ {
		for _, digits := range []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8} {
			v := digits * math.Pow(10, decade)
			if d := math.Abs(math.Log(v / want)); v >= low && v <= high && d < far {
				best, far = v, d
			}
		}
	}
	if best == 0 {
		best, _ = strconv.ParseFloat(strconv.FormatFloat(want, 'g', 2, 64), 64) // what FormatFloat writes reads back
		best = min(max(best, low), high)
	}
	return time.Duration(best * float64(time.Millisecond)).Round(time.Microsecond)
}
