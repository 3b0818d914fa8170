package stat

import (
	"math"
	"slices"
	"time"
)

// run has measured values in time order. times are the planned times of the values, or nil if
// they are unknown. They are ascending; a few that are out of order do no harm.
type run struct {
	values []float64
	times  []time.Duration
}

// first returns the first n values of the run.
func (r run) first(n int) run {
	r.values = r.values[:n]
	if r.times != nil {
		r.times = r.times[:n]
	}
	return r
}

// duration returns the time from the first to the last value; 0 if unknown.
func (r run) duration() time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	return r.times[len(r.times)-1] - r.times[0]
}

// separatingValues is the number of consecutive values at or below the median that separate two
// clusters. A queue that is still draining rarely has that many.
const separatingValues = 4

// With minClustersAlone or more clusters, their sizes alone are enough to estimate the
// variance inflation.
const minClustersAlone = 12

// clusters groups the values over a limit that probably have the same cause.
type clusters struct {
	over    int     // values over the limit
	count   int     // clusters
	squares float64 // sum of the squared sizes
	largest float64
}

// clustersOver counts the clusters over limit. separator is the median, or the limit if that is
// lower. Two values over the limit within gap are in the same cluster: a cause that has delayed a
// request by gap may last that long.
func (r run) clustersOver(limit, separator float64, gap time.Duration) clusters {
	var c clusters
	size, below := 0.0, separatingValues
	end := func() {
		c.squares += size * size
		c.largest = max(c.largest, size)
	}
	var last time.Duration
	for i, v := range r.values {
		switch {
		case v > limit:
			if c.over == 0 || below >= separatingValues && (r.times == nil || r.times[i]-last > gap) {
				end()
				c.count, size = c.count+1, 0
			}
			c.over++
			size++
			below = 0
			if r.times != nil {
				last = r.times[i]
			}
		case v <= separator:
			below++
		case below < separatingValues:
			below = 0
		}
	}
	end()
	return c
}

// varianceInflation estimates how many values are worth one independent value, from the
// clusters alone: in a Poisson process of clusters, the variance of the count is the sum of the
// squared sizes. Few clusters rarely contain the largest ones, so it adds a margin for their
// number and, below minClustersAlone, one more cluster as large as the largest.
func (c clusters) varianceInflation() float64 {
	if c.over == 0 {
		return 1
	}
	sum, squares, margin := float64(c.over), c.squares, 2.
	if c.count < minClustersAlone {
		sum, squares, margin = sum+c.largest, squares+c.largest*c.largest, 2*margin
	}
	return max(1, squares/sum*(1+margin/float64(c.count+3)))
}

// If there are too few clusters at the limit, other points are used: points that a multiple
// of the values above the quantile exceed. clusterPoints are for cluster sizes, batchPoints for
// the variance between ten batches, which detects correlation of any kind.
func clusterPoints() []float64 { return []float64{1, 3} }
func batchPoints() []float64   { return []float64{1, 5} }

// scatterMargin is the factor by which the variance of ten batches may be too low by chance,
// with 95%: 9 / the 5% point of chi-square with 9 degrees of freedom. Clusters at regular
// intervals have a lower variance than their sizes suggest; the margin is a bound for it.
const scatterMargin = 2.7

// varianceInflation returns how many values of the run are worth one independent value at
// limit, at least 1, and the clusters over limit.
func (r run) varianceInflation(sorted []float64, q, limit float64) (float64, clusters) {
	n := len(sorted)
	quantileAt := func(times float64) float64 {
		return sorted[min(max(rank(max(1-times*(1-q), min(q, .5)), n), 1), n)-1]
	}
	median := sorted[(n-1)/2]
	over := func(x float64) clusters {
		return r.clustersOver(x, min(median, x), gapOf(x))
	}
	here := over(limit)
	scatter := batchInflation(r.values, limit)
	f := here.varianceInflation()
	if here.count >= minClustersAlone {
		return max(1, min(f, scatterMargin*scatter)), here
	}
	if r.exceedsThroughout(limit, 1-q) {
		here.count = batches
		return max(1, scatterMargin*scatter), here
	}
	for _, times := range clusterPoints() {
		f = max(f, over(quantileAt(times)).varianceInflation())
	}
	for _, times := range batchPoints() {
		scatter = max(scatter, batchInflation(r.values, quantileAt(times)))
	}
	return max(f, scatter), here
}

// exceedsThroughout reports whether more than the allowed share is over the limit in each of
// ten parts of the run. Such values are one or a few clusters, but they are not one stall: a
// server that keeps the promise is in a stall for no more than the allowed share of the time.
// Examples are a load with a few slow requests in every round, and a run that is always over
// the limit.
func (r run) exceedsThroughout(limit, allowed float64) bool {
	n := len(r.values)
	for j := range batches {
		part := r.values[j*n/batches : (j+1)*n/batches]
		over := 0
		for _, v := range part {
			if v > limit {
				over++
			}
		}
		if float64(over) <= allowed*float64(len(part)) {
			return false
		}
	}
	return true
}

// gapOf converts a latency in ms to a duration, and clamps it.
func gapOf(ms float64) time.Duration {
	return time.Duration(min(max(ms, 0)*float64(time.Millisecond), math.MaxInt64/2))
}

// sorted returns the values in ascending order.
func (r run) sorted() []float64 {
	s := slices.Clone(r.values)
	slices.Sort(s)
	return s
}

// halves returns the share of values over the limit in the first and the second half.
func (r run) halves(limit float64) [2]float64 {
	var over, all [2]float64
	for i, v := range r.values {
		h := i * 2 / len(r.values)
		all[h]++
		if v > limit {
			over[h]++
		}
	}
	return [2]float64{over[0] / max(all[0], 1), over[1] / max(all[1], 1)}
}

// batchInflation estimates how many values are worth one independent value at x: the variance
// of the share at or below x between 10 batches, divided by that of independent values. It is 0
// if all or no values are at or below x. It needs at least one value per batch.
func batchInflation(v []float64, x float64) float64 {
	var p [batches]float64
	for j := range batches {
		part := v[j*len(v)/batches : (j+1)*len(v)/batches]
		below := 0
		for _, s := range part {
			if s <= x {
				below++
			}
		}
		p[j] = float64(below) / math.Max(1, float64(len(part)))
	}
	mean, sd := meanSD(p[:])
	if mean <= 0 || mean >= 1 {
		return 0
	}
	return sd * sd / batches * float64(len(v)) / (mean * (1 - mean))
}
