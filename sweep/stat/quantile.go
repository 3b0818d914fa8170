package stat

import (
	"math"
	"slices"
	"time"
)

// z95 is the two-sided 95% point of the normal distribution.
const z95 = 1.959964

// Quantile returns the quantile q, 0 < q < 1, of the samples with its 95%
// interval. Samples are in time order, which the interval needs; Value is NaN
// for fewer than 1/(1-q) of them.
func Quantile(samples []float64, q float64) Interval {
	return Quantiles(samples, q)[0]
}

// Quantiles returns one interval for each of qs and sorts only once.
func Quantiles(samples []float64, qs ...float64) []Interval {
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	out := make([]Interval, len(qs))
	for i, q := range qs {
		out[i] = run{values: samples}.quantile(sorted, q)
	}
	return out
}

// quantile takes the values in the other order too.
func (r run) quantile(sorted []float64, q float64) Interval {
	n := len(sorted)
	if n == 0 || !(q > 0 && q < 1) || float64(n)*(1-q) < 1-1e-9 {
		return unknown()
	}
	x := sorted[min(max(rank(q, n), 1), n)-1]
	low, high := binomialRanks(n, q)
	if n >= batches {
		f, _ := r.crowding(sorted, q, x)
		half := tLucky * math.Sqrt(f*q*(1-q)/float64(n))
		low, high = min(low, rank(q-half, n)), max(high, rank(q+half, n))
	}
	return Interval{Value: x, Low: at(sorted, low), High: at(sorted, high)}
}

// What a settled run has to hold beside a narrow interval.
const (
	settledAbove    = 3  // values over the upper end, as the next few could open it
	settledClusters = 15 // separate clusters over the percentile
)

// Settled tells whether the samples know their quantile q to within the given
// share of it on average of both sides, such as .1 for 10%. times are when the
// samples were planned, nil where that is not known.
//
// Asking often does little harm: a run that ends at the first narrow interval of
// many ends on a lucky one, so the samples at the last doubling of their number
// have to know it too, and only then are all of them looked at. It takes 6000
// samples for a P99, as many as a pass of a run that has seen nothing near its
// limit. The samples over the quantile have to lie in at least 15 separate
// clusters, and the quantiles of both halves within twice the interval, or a stall
// that is seen once in a while, or a shift of the level, would be taken for all
// there is.
func Settled(samples []float64, times []time.Duration, q, within float64) bool {
	n := int(5 / (1 - q)) // 500 for a P99: no interval closes earlier
	if n < batches || float64(len(samples))*(1-q) < unseen-1e-9 {
		return false
	}
	for 2*n <= len(samples) {
		n *= 2
	}
	r := run{samples, times}
	return r.first(n).known(q, within) && r.known(q, within)
}

func (r run) known(q, within float64) bool {
	sorted := r.sorted()
	iv := r.quantile(sorted, q)
	if !iv.Within(within) {
		return false
	}
	above := 0
	for i := len(sorted) - 1; i >= 0 && sorted[i] > iv.High; i-- {
		above++
	}
	_, c := r.crowding(sorted, q, iv.Value)
	return above >= settledAbove && c.count >= settledClusters && r.steady(q, iv)
}

// steady tells whether the quantile of each half lies within twice the interval,
// which the half of a run knows less well by about that much.
func (r run) steady(q float64, iv Interval) bool {
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

// at is the value of a 1-based rank, NaN off either end.
func at(sorted []float64, rank int) float64 {
	if rank < 1 || rank > len(sorted) {
		return math.NaN()
	}
	return sorted[rank-1]
}

// binomialRanks returns the ranks that enclose the quantile q of n independent
// values with 95%: at most 2.5% lie outside on each side. They may be 0 or n+1.
func binomialRanks(n int, q float64) (low, high int) {
	mean, sd := float64(n)*q, math.Sqrt(float64(n)*q*(1-q))
	if sd > 10 { // the normal ranks are then off by at most one
		return int(math.Floor(mean - z95*sd)), int(math.Ceil(mean+z95*sd)) + 1
	}
	const tail = .025
	at := int(mean)
	for low = at; low > 0 && binomialCDF(low-1, n, q) > tail; low-- {
	}
	for high = at + 1; high <= n && 1-binomialCDF(high-1, n, q) > tail; high++ {
	}
	return low, high
}
