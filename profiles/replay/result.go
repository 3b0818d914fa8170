package replay

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// judge returns a recorded result with the verdict for a promise, which may differ from the
// recorded promise.
func judge(r trial.Result, sla trial.SLA) (trial.Result, error) {
	if r.Error != "" {
		return trial.Result{}, errors.New(r.Error)
	}
	if samePromise(r.Verdict, sla) {
		return r, nil // with the recorded sequential verdict
	}
	p, err := percentile(r, sla)
	if err != nil {
		return trial.Result{}, err
	}
	r.Verdict = sweep.JudgeInterval(sla, interval(p), r.Counts.Errors(), "judged again from the recorded figures")
	return r, nil
}

// sameLatency reports whether the figures of a verdict are of the percentile of a promise.
func sameLatency(v trial.Verdict, sla trial.SLA) bool {
	return v.Latency == sla.Latency && v.Percentile == sla.Percentile
}

// samePromise reports whether a verdict is for a promise.
func samePromise(v trial.Verdict, sla trial.SLA) bool {
	return sameLatency(v, sla) && v.LimitMS == float64(sla.Limit)/1e6
}

// percentile returns the recorded percentile for a promise.
func percentile(r trial.Result, sla trial.SLA) (trial.Estimate, error) {
	if sameLatency(r.Verdict, sla) {
		return trial.Estimate{Value: r.Verdict.ValueMS, Low: r.Verdict.LowMS, High: r.Verdict.HighMS}, nil
	}
	if sla.Latency == trial.RequestLatency {
		l := r.Latency
		recorded := map[float64]trial.Estimate{50: l.P50, 90: l.P90, 95: l.P95, 99: l.P99, 99.9: l.P999}
		if e, ok := recorded[sla.Percentile]; ok {
			return e, nil
		}
	}
	return trial.Estimate{}, fmt.Errorf("replay: P%g of %v latency has no recorded interval; use P50, P90, P95, P99 or P99.9 of request latency, or P%g of %v latency",
		sla.Percentile, sla.Latency, r.Verdict.Percentile, r.Verdict.Latency)
}

// interval converts an estimate. Its open ends are NaN.
func interval(e trial.Estimate) stat.Interval {
	nan := math.NaN()
	return stat.Interval{Value: e.Value.Or(nan), Low: e.Low.Or(nan), High: e.High.Or(nan)}
}

// resampleStream is the second seed of the random generator, so that it differs from the load's.
const resampleStream = 0x72657061

// resample returns a recorded result with random figures within its intervals.
func (t *Target) resample(r trial.Result, m sweep.Measurement) (trial.Result, error) {
	if r.Error != "" {
		return trial.Result{}, errors.New(r.Error)
	}
	p, err := percentile(r, m.SLA)
	if err != nil {
		return trial.Result{}, err
	}
	rng := rand.New(rand.NewPCG(m.Seed, resampleStream))
	latencyFactor := math.Exp(logStandardError(p) * rng.NormFloat64())
	rateFactor := math.Exp(logStandardError(r.Throughput) * rng.NormFloat64())
	r.Throughput = scaled(r.Throughput, rateFactor)
	l := &r.Latency
	for _, e := range []*trial.Estimate{&l.P50, &l.P90, &l.P95, &l.P99, &l.P999} {
		*e = scaled(*e, latencyFactor)
	}
	l.Mean, l.Max = multiply(l.Mean, latencyFactor), multiply(l.Max, latencyFactor)
	if r.Hist, err = scaledHist(r.Hist, latencyFactor); err != nil {
		return trial.Result{}, fmt.Errorf("replay: histogram: %w", err)
	}
	why := "resampled within the recorded intervals"
	recorded := r.Verdict
	r.Verdict = sweep.JudgeInterval(m.SLA, interval(scaled(p, latencyFactor)), r.Counts.Errors(), why)
	if r.Verdict.Result == trial.Undecided && samePromise(recorded, m.SLA) && sameSide(recorded, r.Verdict) {
		r.Verdict.Result, r.Verdict.Leaning = recorded.Result, recorded.Leaning
	}
	r.Warnings = append(r.Warnings[:len(r.Warnings):len(r.Warnings)], trial.Warning{Text: "replayed: " + why})
	return r, nil
}

// sameSide reports whether the values of two verdicts are on the same side of their limits.
// The recorded verdict is kept then, because it is based on more than an interval.
func sameSide(a, b trial.Verdict) bool {
	x, ok1 := a.ValueMS.Get()
	y, ok2 := b.ValueMS.Get()
	return ok1 && ok2 && (x <= a.LimitMS) == (y <= b.LimitMS)
}

// logStandardError returns the standard error of the logarithm of a figure, from its 95%
// interval. An open end is assumed to be as far from the value as the other end. If both
// are open it is 0.
func logStandardError(e trial.Estimate) float64 {
	const z = 1.96
	v, low, high := e.Value.Or(0), e.Low.Or(0), e.High.Or(0)
	switch {
	case v <= 0 || low <= 0 && high <= 0:
		return 0
	case low <= 0:
		return math.Log(high/v) / z
	case high <= 0:
		return math.Log(v/low) / z
	}
	return math.Log(high/low) / (2 * z)
}

func scaled(e trial.Estimate, f float64) trial.Estimate {
	return trial.Estimate{Value: multiply(e.Value, f), Low: multiply(e.Low, f), High: multiply(e.High, f)}
}

func multiply(n trial.Num, f float64) trial.Num {
	if v, ok := n.Get(); ok {
		return trial.NumOf(v * f)
	}
	return n
}

// strata is the number of parts of a histogram that scaledHist scales.
const strata = 200

// scaledHist returns a histogram with all latencies multiplied by f. It scales quantiles of
// parts of the histogram. The parts are smaller at high latencies, so that high
// percentiles are accurate.
func scaledHist(h trial.Hist, f float64) (trial.Hist, error) {
	if h.HDR == "" {
		return h, nil
	}
	from, err := latency.Decode(h.HDR)
	if err != nil {
		return h, err
	}
	to, n, done := latency.New(), float64(from.Count()), 0.0
	for i := range strata {
		end := math.Round(n * (1 - math.Pow(1-float64(i+1)/strata, 3)))
		if end > done {
			middle := from.Quantile((done + (end-done+1)/2) / n)
			to.RecordN(time.Duration(f*float64(middle)), int64(end-done))
			done = end
		}
	}
	h.HDR, err = to.Encode()
	return h, err
}
