package profiles

import (
	"math"
	"slices"
	"time"

	"sweetspot/engine/latency"
	"sweetspot/sweep/trial"
)

// ratio returns b/a with its interval. The intervals of a and b are combined on the
// logarithmic scale, separately for both ends (the method of variance estimates
// recovery, Zou and Donner 2008):
//
//	ln low  = ln(b/a) - k sqrt(ln(b/b.low)^2 + ln(a.high/a)^2)
//	ln high = ln(b/a) + k sqrt(ln(b.high/b)^2 + ln(a/a.low)^2)
//
// k widens the intervals if several ratios must hold together; see widening. If an end of
// a or b is open, the ratio is open there too.
func ratio(a, b trial.Estimate, k float64) trial.Estimate {
	va, vb := a.Value.Or(math.NaN()), b.Value.Or(math.NaN())
	if !(va > 0 && vb > 0) {
		return trial.Estimate{}
	}
	l := math.Log(vb / va)
	low := l - k*math.Hypot(logDistance(b.Low, vb), logDistance(a.High, va))
	high := l + k*math.Hypot(logDistance(b.High, vb), logDistance(a.Low, va))
	return trial.Estimate{Value: trial.NumOf(vb / va), Low: trial.NumOf(math.Exp(low)), High: trial.NumOf(math.Exp(high))}
}

// logDistance returns the distance of an end of an interval from its value on the
// logarithmic scale; NaN if the end is open.
func logDistance(end trial.Num, value float64) float64 {
	e := end.Or(math.NaN())
	if e <= 0 {
		return math.NaN()
	}
	return math.Abs(math.Log(e / value))
}

// inverse returns 1/r.
func inverse(r trial.Estimate) trial.Estimate {
	one := func(n trial.Num) trial.Num { return trial.NumOf(1 / n.Or(math.NaN())) }
	return trial.Estimate{Value: one(r.Value), Low: one(r.High), High: one(r.Low)}
}

// widening returns the factor by which 95% intervals from 10 batches must be widened so
// that n of them hold together in 95% of all cases (Bonferroni): the ratio of the
// quantiles of Student's t distribution with 9 degrees of freedom.
func widening(n int) float64 { return t9(1-.025/float64(n)) / t9(.975) }

// t9 returns the quantile p, .5 <= p < 1, of Student's t distribution with 9 degrees of
// freedom.
func t9(p float64) float64 {
	low, high := 0., 1e4
	for range 100 {
		if mid := (low + high) / 2; t9CDF(mid) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// t9CDF returns the distribution function, which has a closed form for odd degrees of
// freedom.
func t9CDF(t float64) float64 {
	theta := math.Atan(t / 3) // 3 = sqrt(9)
	c := math.Cos(theta)
	c2 := c * c
	sum := c * (1 + c2*(2./3+c2*(8./15+c2*48./105)))
	return .5 + (theta+math.Sin(theta)*sum)/math.Pi
}

// errorRate returns the share of requests that are errors, with the score interval of
// Wilson (1927), which has a width above 0 also without errors.
func errorRate(c trial.Counts, n int) trial.Estimate {
	if c.Sent == 0 {
		return trial.Estimate{}
	}
	z := math.Sqrt2 * math.Erfinv(1-.05/float64(n))
	p, sent := c.Errors(), float64(c.Sent)
	mid := (p + z*z/(2*sent)) / (1 + z*z/sent)
	half := z / (1 + z*z/sent) * math.Sqrt(p*(1-p)/sent+z*z/(4*sent*sent))
	return trial.Estimate{Value: trial.NumOf(p), Low: trial.NumOf(max(0, mid-half)), High: trial.NumOf(min(1, mid+half))}
}

// difference returns b-a with its interval, combined as in ratio.
func difference(a, b trial.Estimate) trial.Estimate {
	num := func(n trial.Num) float64 { return n.Or(math.NaN()) }
	d := num(b.Value) - num(a.Value)
	low := math.Hypot(num(b.Value)-num(b.Low), num(a.High)-num(a.Value))
	high := math.Hypot(num(b.High)-num(b.Value), num(a.Value)-num(a.Low))
	return trial.Estimate{Value: trial.NumOf(d), Low: trial.NumOf(d - low), High: trial.NumOf(d + high)}
}

// percentile returns a percentile of the request latencies of a trial in ms. The usual
// ones are recorded with their intervals. Others are taken from the histogram. Their
// intervals assume the variance inflation of the recorded interval of the P99.
func percentile(t trial.Trial, p float64) trial.Estimate {
	l := t.Latency
	switch p {
	case 50:
		return l.P50
	case 90:
		return l.P90
	case 95:
		return l.P95
	case 99:
		return l.P99
	case 99.9:
		return l.P999
	}
	h, err := latency.Decode(t.Hist.HDR)
	q := p / 100
	if err != nil || float64(h.Count())*(1-q) < 1-1e-9 {
		return trial.Estimate{}
	}
	half := math.NaN()
	if s, ok := standardHalfWidth(h, l.P99); ok {
		half = s * math.Sqrt(q*(1-q))
	}
	return trial.Estimate{Value: quantileMS(h, q), Low: quantileMS(h, q-half), High: quantileMS(h, q+half)}
}

// quantileMS returns the quantile q in ms; not measured if q is not between 0 and 1.
func quantileMS(h *latency.Hist, q float64) trial.Num {
	if !(q > 0 && q < 1) {
		return trial.Num{}
	}
	return trial.NumOf(float64(h.Quantile(q)) / float64(time.Millisecond))
}

// standardHalfWidth returns half the width of the interval of the P99, as a share of the
// requests, divided by sqrt(q(1-q)). It uses the end that is farther away; an open end is
// ignored.
func standardHalfWidth(h *latency.Hist, p99 trial.Estimate) (float64, bool) {
	var halves []float64
	for _, end := range []trial.Num{p99.Low, p99.High} {
		if ms, ok := end.Get(); ok {
			halves = append(halves, math.Abs(shareBelow(h, ms)-.99))
		}
	}
	if len(halves) == 0 {
		return 0, false
	}
	return slices.Max(halves) / math.Sqrt(.99*.01), true
}

// shareBelow returns the share of the latencies that are at most ms.
func shareBelow(h *latency.Hist, ms float64) float64 {
	d := time.Duration(ms * float64(time.Millisecond))
	low, high := 0., 1.
	for range 50 {
		if mid := (low + high) / 2; h.Quantile(mid) <= d {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}
