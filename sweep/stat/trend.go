package stat

import "math"

// trendMargin is how far a trend must be from zero, as a factor of half its interval, to be one: neighbouring values that are
// correlated make the interval too narrow. Independent ones then show a trend in 2.5% of the runs.
const trendMargin = 1.2

// IsTrend reports whether an interval of [Trend] shows a trend.
func IsTrend(iv Interval) bool { return math.Abs(iv.Value) > trendMargin*(iv.High-iv.Low)/2 }

// TrendMin is the smallest number of values with a trend.
const TrendMin = 6

// Trend returns the slope of values over times, per unit of time, with its 95% interval. times must be ascending. Fewer than 6 values have
// no slope.
//
// It is the least-squares line through the means of ten parts (fewer if there are fewer values), and Student's
// t with two degrees of freedom fewer: neighbouring values may be correlated as long as the correlation ends within a part. One value
// far off, wherever it is, is never a trend: it widens the interval more than it moves the line.
func Trend(times, values []float64) Interval {
	n := len(values)
	if n < TrendMin || len(times) != n {
		return notMeasured()
	}
	k := min(batches, n)
	xs, ys := make([]float64, k), make([]float64, k)
	for j := range k {
		xs[j], _ = meanSD(times[j*n/k : (j+1)*n/k])
		ys[j], _ = meanSD(values[j*n/k : (j+1)*n/k])
	}
	meanX, _ := meanSD(xs)
	meanY, _ := meanSD(ys)
	var xx, xy float64
	for j := range k {
		xx += (xs[j] - meanX) * (xs[j] - meanX)
		xy += (xs[j] - meanX) * (ys[j] - meanY)
	}
	if !(xx > 0) {
		return notMeasured()
	}
	slope, squares := xy/xx, 0.
	for j := range k {
		d := ys[j] - meanY - slope*(xs[j]-meanX)
		squares += d * d
	}
	half := t95By[k-2] * math.Sqrt(squares/float64(k-2)/xx)
	return Interval{slope, slope - half, slope + half}
}
