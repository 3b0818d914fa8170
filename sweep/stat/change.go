package stat

import (
	"math"
	"time"
)

// Side is the traffic before or after a change: whole seconds of one setting and one load.
type Side struct {
	Values  []float64 // latencies in ms, in time order
	Seconds []int     // how many of the values are of each second
}

// Direction says what a change did to a figure. The zero value is "the data cannot tell".
type Direction int8

// The directions.
const (
	CannotTell Direction = 0
	Lower      Direction = -1
	Higher     Direction = 1
)

// Shift is a figure before and after a change. If a side has too few values for the figure, its
// value is NaN, or its interval is open.
type Shift struct {
	Before, After Interval
	Direction     Direction
}

// Ratio returns after / before.
func (s Shift) Ratio() float64 { return s.After.Value / s.Before.Value }

// Change is what a change of settings did to live traffic.
type Change struct {
	Percentile Shift // ms
	Mean       Shift // latency in ms
	Rate       Shift // values per second
}

// Called reports whether the data show any change.
func (c Change) Called() bool {
	return c.Percentile.Direction != CannotTell || c.Mean.Direction != CannotTell || c.Rate.Direction != CannotTell
}

// The factors by which the log of the ratio of two figures must exceed its 95% half width. The
// intervals of percentiles are wide, because most runs end when they are narrow. Those of means are
// not. Measured on simulated servers of 17 families: see TestComparison in package session.
const (
	percentileFactor = .8
	meanFactor       = 1.2
	irrelevant       = .005 // a smaller change is none, however precise the figures are
)

// CompareChange compares the traffic before and after a change. The percentile is the quantile q.
//
// A figure has a direction if the 95% intervals of both sides exclude that it is the same:
// if the log of its ratio is larger than the root of the sum of squares of the half widths towards
// each other (MOVER, Zou and Donner 2008). The two sides are different times of one machine, so
// events that are rare on the scale of a side can still look like an effect.
//
// last is false for a look before the last one. Then there is only a direction if the percentile, the
// median and the mean all have it, since a short side often has none of the rare events of the other
// one.
func CompareChange(before, after Side, q float64, last bool) Change {
	b, a := Quantiles(before.Values, q, .5), Quantiles(after.Values, q, .5)
	c := Change{
		Percentile: Shift{Before: b[0], After: a[0]},
		Mean:       Shift{Before: before.meanLatency(), After: after.meanLatency()},
		Rate:       Shift{Before: before.rate(), After: after.rate()},
	}
	tail, middle := direction(b[0], a[0], percentileFactor), direction(b[1], a[1], percentileFactor)
	mean := direction(c.Mean.Before, c.Mean.After, meanFactor)
	rate := direction(c.Rate.Before, c.Rate.After, meanFactor)
	if !last && (tail == CannotTell || tail != middle || tail != mean) {
		return c
	}
	c.Mean.Direction, c.Rate.Direction = mean, rate
	if enough := Needed(q); !last || len(before.Values) >= enough && len(after.Values) >= enough {
		c.Percentile.Direction = tail
	}
	return c
}

// direction compares two intervals of a positive figure.
func direction(before, after Interval, factor float64) Direction {
	if after.Value == 0 && before.Low > 0 {
		return Lower
	}
	d, toward, away := Higher, after.Low/after.Value, before.High/before.Value
	if after.Value < before.Value {
		d, toward, away = Lower, after.High/after.Value, before.Low/before.Value
	}
	half := factor * math.Hypot(math.Log(toward), math.Log(away))
	if !(math.Abs(math.Log(after.Value/before.Value)) > max(half, irrelevant)) { // also if an end is open
		return CannotTell
	}
	return d
}

// rate returns the values per second.
func (s Side) rate() Interval {
	iv := Rate(s.Seconds, time.Second)
	rates := make([]float64, len(s.Seconds))
	for i, n := range s.Seconds {
		rates[i] = float64(n)
	}
	return widened(iv, rates)
}

// meanLatency returns the mean of the values; the blocks of its interval are seconds. Seconds without
// values are left out.
func (s Side) meanLatency() Interval {
	var means []float64
	from := 0
	for _, n := range s.Seconds {
		if n > 0 {
			mean, _ := meanSD(s.Values[from : from+n])
			means = append(means, mean)
		}
		from += n
	}
	if len(s.Values) == 0 {
		return notMeasured()
	}
	return widened(Mean(means), means)
}

// widened widens the interval of a mean of batches if the means of the batches are correlated: n
// values with correlation r are worth about n (1-r)/(1+r).
func widened(iv Interval, values []float64) Interval {
	r := batchCorrelation(values)
	if !(r > 0) {
		return iv
	}
	f := math.Sqrt((1 + r) / (1 - min(r, .99)))
	low := iv.Value - f*(iv.Value-iv.Low)
	if iv.Low >= 0 { // figures are positive
		low = max(low, 0)
	}
	return Interval{iv.Value, low, iv.Value + f*(iv.High-iv.Value)}
}

// batchCorrelation returns the correlation of adjacent batches of Mean, corrected for its bias in a
// short series.
func batchCorrelation(values []float64) float64 {
	k := min(batches, len(values))
	if k < 3 {
		return 0
	}
	means := make([]float64, k)
	for j := range means {
		means[j], _ = meanSD(values[j*len(values)/k : (j+1)*len(values)/k])
	}
	mean, _ := meanSD(means)
	var lag, all float64
	for j, m := range means {
		all += (m - mean) * (m - mean)
		if j > 0 {
			lag += (m - mean) * (means[j-1] - mean)
		}
	}
	if all == 0 {
		return 0
	}
	return lag/all + 1/float64(k)
}
