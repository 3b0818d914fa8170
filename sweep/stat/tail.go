package stat

import (
	"math"
	"time"
)

// Tail counts the values of a run over a limit. The tails of the parts of a long measurement can be added
// when their values are no longer kept.
type Tail struct {
	N        int
	Over     int     // values over the limit
	Near     int     // values over half of the limit
	Clusters int     // of the values over the limit
	Squares  float64 // sum of the squared sizes of the clusters
	Largest  float64 // size of the largest cluster
}

// throughout is the factor of the allowed share that each tenth of a run must have over the limit to be over it all the time. A
// queue near its capacity has more than the allowed share in each by chance.
const throughout = 5

// TailOf returns the tail of values in time order. times are their planned times, nil if unknown. Values over the limit that are few clusters, but
// more than 5 times the allowed share of each tenth of the run, count as ten clusters, as in [Decide]: they are not one stall.
func TailOf(values []float64, times []time.Duration, limit, allowed float64) Tail {
	t := Tail{N: len(values)}
	if t.N == 0 {
		return t
	}
	r := run{values, times}
	median := r.sorted()[(t.N-1)/2]
	c := r.clustersOver(limit, min(median, limit), gapOf(limit))
	t.Over, t.Clusters, t.Squares, t.Largest = c.over, c.count, c.squares, c.largest
	if c.count < minClusters && t.N >= batches && r.exceedsThroughout(limit, throughout*allowed) {
		t.Clusters, t.Largest = batches, max(1, scatterMargin*batchInflation(values, limit))
		t.Squares = t.Largest * float64(t.Over)
	}
	for _, v := range values {
		if v > near*limit {
			t.Near++
		}
	}
	return t
}

// Share returns the share of values over the limit; 0 without values.
func (t Tail) Share() float64 { return float64(t.Over) / float64(max(1, t.N)) }

// TailsTogether has the tails of the parts of one measurement, added, and how many values are worth one
// independent value.
type TailsTogether struct {
	Tail
	Inflation float64 // at least 1
}

// AddTails adds the tails of the parts of a measurement. The variance inflation is the larger of two estimates: from
// the sizes of all clusters, as in [Decide], and from the differences between the parts. The second one also sees
// causes that last longer than a cluster.
func AddTails(parts []Tail) TailsTogether {
	var t TailsTogether
	n := 0
	for _, p := range parts {
		if p.N == 0 {
			continue
		}
		n++
		t.N, t.Over, t.Near, t.Clusters = t.N+p.N, t.Over+p.Over, t.Near+p.Near, t.Clusters+p.Clusters
		t.Squares, t.Largest = t.Squares+p.Squares, max(t.Largest, p.Largest)
	}
	c := clusters{over: t.Over, count: t.Clusters, squares: t.Squares, largest: t.Largest}
	t.Inflation = c.varianceInflation()
	share := t.Share()
	if n < 2 || share <= 0 || share >= 1 {
		return t
	}
	between := 0.
	for _, p := range parts {
		d := p.Share() - share
		between += float64(p.N) * d * d
	}
	t.Inflation = max(t.Inflation, between/(float64(n-1)*share*(1-share)))
	return t
}

// AtMost returns the probability of at most this share over the limit, if exactly the allowed share of all values is over
// it: a small one shows that the promise is kept. It is 1 without values.
func (t TailsTogether) AtMost(allowed float64) float64 {
	all, over := t.effective()
	return betaCDF(1-allowed, all-over, over+1)
}

// AtLeast returns the probability of at least this share over the limit, if exactly the allowed share of all values is over
// it: a small one shows that the promise is broken. It is 1 if no value is over the limit.
func (t TailsTogether) AtLeast(allowed float64) float64 {
	if t.Over == 0 {
		return 1
	}
	all, over := t.effective()
	return betaCDF(allowed, over, all-over+1)
}

func (t TailsTogether) effective() (all, over float64) {
	return float64(t.N) / t.Inflation, float64(t.Over) / t.Inflation
}

// Upper returns the share that is over the limit at most, with 95% on this side; 1 without values.
func (t TailsTogether) Upper() float64 {
	low, high := 0., 1.
	for range 50 {
		if middle := (low + high) / 2; t.AtMost(middle) > .05 {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// Enough reports whether there are enough values for a pass, as [Decide] requires: 2000 for a P99, or 6000 if hardly
// any is near the limit, because such a run has not met any event that could break the promise.
func (t TailsTogether) Enough(allowed float64) bool { return t.N >= t.Needed(allowed) }

// Needed returns the number of values that a pass needs.
func (t TailsTogether) Needed(allowed float64) int {
	need := float64(passFrom)
	if float64(t.Near) < nearFactor*allowed*float64(t.N) {
		need = passFromClear
	}
	return int(math.Ceil(need/allowed - 1e-9))
}

// FailsCertainly reports whether more than the allowed share is over the limit, with at most this probability of an
// error. Like a failure of [Decide] it needs four clusters, or 25 times the allowed share.
func (t TailsTogether) FailsCertainly(allowed, alpha float64) bool {
	switch share := t.Share(); {
	case float64(t.N)*allowed < failFrom-1e-9 || share <= allowed:
		return false
	case share >= immediateFail*allowed:
		return true
	}
	return t.Clusters >= minClusters && t.AtLeast(allowed) <= alpha
}
