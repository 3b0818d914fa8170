package stat

import (
	"math"
	"slices"
	"time"
)

// z95 is the two-sided 95% point of the normal distribution.
const z95 = 1.959964

// Quantile returns the quantile q, 0 < q < 1, of the samples with its 95% interval. The samples
// must be in time order. Value is NaN for fewer than 1/(1-q) samples.
func Quantile(samples []float64, q float64) Interval {
	return Quantiles(samples, q)[0]
}

// Quantiles returns an interval for each of qs; it sorts only once.
func Quantiles(samples []float64, qs ...float64) []Interval {
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	out := make([]Interval, len(qs))
	for i, q := range qs {
		out[i] = run{values: samples}.quantile(sorted, q)
	}
	return out
}

// quantile returns the quantile q; sorted has the sorted values of r.
func (r run) quantile(sorted []float64, q float64) Interval {
	n := len(sorted)
	if n == 0 || !(q > 0 && q < 1) || float64(n)*(1-q) < 1-1e-9 {
		return notMeasured()
	}
	x := sorted[min(max(rank(q, n), 1), n)-1]
	low, high := binomialRanks(n, q)
	if n >= batches {
		f, _ := r.varianceInflation(sorted, q, x)
		half := tSequential * math.Sqrt(f*q*(1-q)/float64(n))
		low, high = min(low, rank(q-half, n)), max(high, rank(q+half, n))
	}
	return Interval{Value: x, Low: valueAt(sorted, low), High: valueAt(sorted, high)}
}

// What Settled requires beside a narrow interval.
const (
	settledAbove    = 3  // values over the upper end, because a few more could open it
	settledClusters = 15 // separate clusters over the percentile
)

// Settled reports whether half the width of the interval of the quantile q is at most the given
// share of it, such as .1 for 10%. times are the planned times of the samples, nil if unknown.
//
// It may be called often. A run that ends at the first narrow interval of many ends at one that
// is narrow by chance. So the first samples, up to the last doubling of their number, must have
// a narrow interval too. It needs 6000 samples for a P99, as many as a pass of a run without
// latencies near the limit. The samples over the quantile must be in at least 15 clusters, and
// the quantiles of both halves within twice the interval; otherwise a rare stall or a change of
// the level could be missed.
func Settled(samples []float64, times []time.Duration, q, within float64) bool {
	n := int(5 / (1 - q)) // 500 for a P99: intervals of fewer samples are open
	if n < batches || float64(len(samples))*(1-q) < passFromClear-1e-9 {
		return false
	}
	for 2*n <= len(samples) {
		n *= 2
	}
	r := run{samples, times}
	return r.first(n).isPrecise(q, within) && r.isPrecise(q, within)
}

// isPrecise is Settled for all values of the run.
func (r run) isPrecise(q, within float64) bool {
	sorted := r.sorted()
	iv := r.quantile(sorted, q)
	if !iv.Within(within) {
		return false
	}
	above := 0
	for i := len(sorted) - 1; i >= 0 && sorted[i] > iv.High; i-- {
		above++
	}
	_, c := r.varianceInflation(sorted, q, iv.Value)
	return above >= settledAbove && c.count >= settledClusters && r.halvesConsistent(q, iv)
}

// halvesConsistent reports whether the quantile of each half is within twice the interval; the
// interval of a half would be wider by about that factor.
func (r run) halvesConsistent(q float64, iv Interval) bool {
	n := len(r.values)
	for _, part := range [][]float64{r.values[:n/2], r.values[n/2:]} {
		s := run{values: part}.sorted()
		x := s[min(max(rank(q, len(s)), 1), len(s))-1]
		if x < iv.Value-2*(iv.Value-iv.Low) || x > iv.Value+2*(iv.High-iv.Value) {
			return false
		}
	}
	return true
}

// valueAt returns the value of a 1-based rank, or NaN outside the sample.
func valueAt(sorted []float64, rank int) float64 {
	if rank < 1 || rank > len(sorted) {
		return math.NaN()
	}
	return sorted[rank-1]
}

// binomialRanks returns the ranks that enclose the quantile q of n independent values with
// probability 95%: at most 2.5% are outside on each side. They may be 0 or n+1.
func binomialRanks(n int, q float64) (low, high int) {
	mean, sd := float64(n)*q, math.Sqrt(float64(n)*q*(1-q))
	if sd > 10 { // then the ranks of the normal approximation are exact to one
		return int(math.Floor(mean - z95*sd)), int(math.Ceil(mean+z95*sd)) + 1
	}
	const tail = .025
	middle := int(mean)
	for low = middle; low > 0 && binomialCDF(low-1, n, q) > tail; low-- {
	}
	for high = middle + 1; high <= n && 1-binomialCDF(high-1, n, q) > tail; high++ {
	}
	return low, high
}
