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

// judged is a recorded result, held against a promise that need not be the
// recorded one.
func judged(r trial.Result, sla trial.SLA) (trial.Result, error) {
	if r.Error != "" {
		return trial.Result{}, errors.New(r.Error)
	}
	if samePromise(r.Verdict, sla) {
		return r, nil // with the answer that its sequential rule had found
	}
	p, err := promised(r, sla)
	if err != nil {
		return trial.Result{}, err
	}
	r.Verdict = sweep.JudgeInterval(sla, interval(p), r.Counts.Errors(), "judged anew from the recorded figures")
	return r, nil
}

// sameLatency tells whether a verdict's figures are those a promise binds.
func sameLatency(v trial.Verdict, sla trial.SLA) bool {
	return v.Latency == sla.Latency && v.Percentile == sla.Percentile
}

// samePromise tells whether a verdict is on the promise.
func samePromise(v trial.Verdict, sla trial.SLA) bool {
	return sameLatency(v, sla) && v.LimitMS == float64(sla.Limit)/1e6
}

// promised is the recorded percentile that a promise binds.
func promised(r trial.Result, sla trial.SLA) (trial.Estimate, error) {
	if sameLatency(r.Verdict, sla) {
		return trial.Estimate{Value: r.Verdict.ValueMS, Low: r.Verdict.LowMS, High: r.Verdict.HighMS}, nil
	}
	if sla.Latency == trial.RequestLatency {
		l := r.Latency
		kept := map[float64]trial.Estimate{50: l.P50, 90: l.P90, 95: l.P95, 99: l.P99, 99.9: l.P999}
		if e, ok := kept[sla.Percentile]; ok {
			return e, nil
		}
	}
	return trial.Estimate{}, fmt.Errorf("replay: P%g of %v latency has no recorded interval; ask for P50, P90, P95, P99 or P99.9 of request latency, or P%g of %v latency",
		sla.Percentile, sla.Latency, r.Verdict.Percentile, r.Verdict.Latency)
}

// interval is an estimate with its open ends.
func interval(e trial.Estimate) stat.Interval {
	nan := math.NaN()
	return stat.Interval{Value: e.Value.Or(nan), Low: e.Low.Or(nan), High: e.High.Or(nan)}
}

// resampleStream is the second half of the seed: the load drew from another.
const resampleStream = 0x72657061

// again draws a recorded result anew within its intervals.
func (t *Target) again(r trial.Result, m sweep.Measurement) (trial.Result, error) {
	if r.Error != "" {
		return trial.Result{}, errors.New(r.Error)
	}
	p, err := promised(r, m.SLA)
	if err != nil {
		return trial.Result{}, err
	}
	rng := rand.New(rand.NewPCG(m.Seed, resampleStream))
	slower := math.Exp(sigma(p) * rng.NormFloat64())
	rate := math.Exp(sigma(r.Throughput) * rng.NormFloat64())
	r.Throughput = scaled(r.Throughput, rate)
	l := &r.Latency
	for _, e := range []*trial.Estimate{&l.P50, &l.P90, &l.P95, &l.P99, &l.P999} {
		*e = scaled(*e, slower)
	}
	l.Mean, l.Max = times(l.Mean, slower), times(l.Max, slower)
	if r.Hist, err = stretched(r.Hist, slower); err != nil {
		return trial.Result{}, fmt.Errorf("replay: histogram: %w", err)
	}
	why := "drawn again within the recorded intervals"
	recorded := r.Verdict
	r.Verdict = sweep.JudgeInterval(m.SLA, interval(scaled(p, slower)), r.Counts.Errors(), why)
	if r.Verdict.Result == trial.Undecided && samePromise(recorded, m.SLA) && sameSide(recorded, r.Verdict) {
		r.Verdict.Result, r.Verdict.Leaning = recorded.Result, recorded.Leaning
	}
	r.Warnings = append(r.Warnings[:len(r.Warnings):len(r.Warnings)], trial.Warning{Text: "replayed: " + why})
	return r, nil
}

// sameSide tells whether the values of two verdicts are on the same side of their
// limit: the recorded answer then stands, which rests on more than an interval.
func sameSide(a, b trial.Verdict) bool {
	x, ok1 := a.ValueMS.Get()
	y, ok2 := b.ValueMS.Get()
	return ok1 && ok2 && (x <= a.LimitMS) == (y <= b.LimitMS)
}

// sigma is the standard error of the logarithm of a figure, by its 95% interval;
// an open end is taken to be as far as the other, two are no uncertainty.
func sigma(e trial.Estimate) float64 {
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
	return trial.Estimate{Value: times(e.Value, f), Low: times(e.Low, f), High: times(e.High, f)}
}

func times(n trial.Num, f float64) trial.Num {
	if v, ok := n.Get(); ok {
		return trial.NumOf(v * f)
	}
	return n
}

// strata is how many parts of a histogram are drawn again.
const strata = 200

// stretched is a histogram with every latency multiplied by f, in parts that get
// smaller towards the slow end, where percentiles are read.
func stretched(h trial.Hist, f float64) (trial.Hist, error) {
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
