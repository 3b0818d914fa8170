package stat

import (
	"math"
	"slices"
	"time"
)

// run is what was measured, in time order. times are when each value was
// planned, or nil where that is not known; they ascend, but for a little disorder
// that does no harm.
type run struct {
	values []float64
	times  []time.Duration
}

// first is the run's first n values.
func (r run) first(n int) run {
	r.values = r.values[:n]
	if r.times != nil {
		r.times = r.times[:n]
	}
	return r
}

// lasted is the time from the first to the last value; 0 where it is not known.
func (r run) lasted() time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	return r.times[len(r.times)-1] - r.times[0]
}

// What separates two values over a limit into clusters of their own: so many
// values in a row at or below the median, which a queue that still drains does
// not show.
const calmValues = 4

// From so many clusters on their sizes alone tell how many values are worth one
// independent value.
const enoughClusters = 12

// clusters are the values over a limit, joined where they have one cause.
type clusters struct {
	over    int     // values over the limit
	count   int     // clusters
	squares float64 // sum of the squared sizes
	largest float64
}

// clustersOver counts. calm is the median, or the limit where that is lower. gap
// is how long after a value over the limit another one still belongs to it: what
// delays requests by so much may go on for as long.
func (r run) clustersOver(limit, calm float64, gap time.Duration) clusters {
	var c clusters
	size, below := 0.0, calmValues
	end := func() {
		c.squares += size * size
		c.largest = max(c.largest, size)
	}
	var last time.Duration
	for i, v := range r.values {
		switch {
		case v > limit:
			if c.over == 0 || below >= calmValues && (r.times == nil || r.times[i]-last > gap) {
				end()
				c.count, size = c.count+1, 0
			}
			c.over++
			size++
			below = 0
			if r.times != nil {
				last = r.times[i]
			}
		case v <= calm:
			below++
		case below < calmValues:
			below = 0
		}
	}
	end()
	return c
}

// crowding is how many values are worth one independent value, by the clusters
// alone: of a Poisson process of clusters the count varies as the sum of the
// squared sizes does. Few clusters tell little of the largest ones there are, so
// a share is added for their number, and below enoughClusters one more cluster as
// large as the largest.
func (c clusters) crowding() float64 {
	if c.over == 0 {
		return 1
	}
	sum, squares, share := float64(c.over), c.squares, 2.
	if c.count < enoughClusters {
		sum, squares, share = sum+c.largest, squares+c.largest*c.largest, 2*share
	}
	return max(1, squares/sum*(1+share/float64(c.count+3)))
}

// Where clusters at the limit are too few, others are looked at: those over
// points that so many times as many values exceed as the quantile, by their
// sizes, and the scatter between ten parts of the run, which sees crowds of any
// shape.
func clusterPoints() []float64 { return []float64{1, 3} }
func batchPoints() []float64   { return []float64{1, 5} }

// scatterHigh is by how much the variance of ten batches may be too low by chance,
// with 95%: 9 over the 5% point of chi-square with 9 degrees of freedom. Clusters
// that come like a clock scatter less than their sizes say, and this is how little
// they may scatter.
const scatterHigh = 2.7

// crowding is how many of the run's values are worth one independent value at
// limit, at least 1, and the clusters over it.
func (r run) crowding(sorted []float64, q, limit float64) (float64, clusters) {
	n := len(sorted)
	at := func(times float64) float64 {
		return sorted[min(max(rank(max(1-times*(1-q), min(q, .5)), n), 1), n)-1]
	}
	median := sorted[(n-1)/2]
	over := func(x float64) clusters {
		return r.clustersOver(x, min(median, x), gapOf(x))
	}
	here := over(limit)
	scatter := inflation(r.values, limit)
	f := here.crowding()
	if here.count >= enoughClusters {
		return max(1, min(f, scatterHigh*scatter)), here
	}
	if r.persists(limit, 1-q) {
		here.count = batches
		return max(1, scatterHigh*scatter), here
	}
	for _, times := range clusterPoints() {
		f = max(f, over(at(times)).crowding())
	}
	for _, times := range batchPoints() {
		scatter = max(scatter, inflation(r.values, at(times)))
	}
	return max(f, scatter), here
}

// persists tells whether more than the allowed share is over the limit in each of
// ten parts of the run. What never ceases is one cluster, or few, but no stall: a
// server that keeps its promise is within one for no more than the allowed share
// of its time, and so is the beginning of a run. A load whose every round has a few
// slow requests is such a one, and so is one that is over the limit throughout.
func (r run) persists(limit, allowed float64) bool {
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

// gapOf is a latency in ms as a duration; one too long for it is the longest.
func gapOf(ms float64) time.Duration {
	return time.Duration(min(max(ms, 0)*float64(time.Millisecond), math.MaxInt64/2))
}

// sorted returns the values in ascending order.
func (r run) sorted() []float64 {
	s := slices.Clone(r.values)
	slices.Sort(s)
	return s
}

// halves are the shares of values over the limit in the first and the second half.
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

// inflation is how many of the values are worth one independent value at x: the
// variance of the share at or below x over 10 batches, against that of
// independent values. It is 0 when x says nothing, because all or none are
// below. It wants at least one value per batch.
func inflation(v []float64, x float64) float64 {
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
