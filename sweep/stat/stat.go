// Package stat says what measured numbers can and cannot tell: intervals of
// percentiles ([Quantile]) and of rates ([Rate]), when a run has measured enough
// ([Settled]), verdicts that may be asked for again and again ([Decide]), the
// end of a warm-up ([Warmup]), and the comparison of two settings measured in
// turns ([Paired]).
//
// All of it is pure: no clock, no goroutine, no random source of its own.
// Inputs are never changed, results never share memory with them. Values carry
// the caller's unit; they have to be finite.
//
// # Percentiles
//
// The percentile q of n values is the one of rank ceil(q n). Fewer than
// 1/(1-q) values have no such percentile: 100 answers for a P99.
//
// Its interval is the hull of two.
//
// Order statistics: the number of values at or below the true percentile is
// binomial (n, q), so two ranks enclose it in 95% of all runs, if requests are
// independent. In a queue they are not: one long batch delays all behind it,
// and such intervals cover 30-80% instead of 95%.
//
// Batch means of the indicator "at or below x": the run is cut into 10 batches
// in time order, p_j is the share at or below the measured percentile x in
// batch j, and S = sd(p_j)/sqrt(10) is how uncertain the share q itself is,
// queueing included. The ends are the percentiles at q - t S and q + t S with
// t(9) = 2.262, and a quarter more for the reason below. Nothing is assumed about the shape of the latencies. It is the
// method of batch means (Conway 1963; Schmeiser 1982 on why about ten batches
// are enough) on the indicator that Heidelberger and Lewis (1984) use.
//
// One S from 10 batches is noisy, and a run that ends when its interval looks
// narrow ends when S happens to be small. So S is written as
// S^2 = f q(1-q)/n, where f >= 1, the crowding, says how many requests are worth
// one independent request. It is told from the clusters of requests over the
// percentile: two of them are of one cluster unless the queue has drained between
// them, which four requests in a row at or below the median show, and more time
// has passed than either took. The number of requests over a limit, of clusters
// that come independently of each other, varies as the sum of their squared sizes
// does (a compound Poisson process; on clusters of extremes: Leadbetter 1983).
// Twelve clusters tell f; where there are fewer, f is the largest of several
// estimates: that one with a share added, the same at lower points, and the
// scatter of ten batches at the percentile and at the point that 5 times as many
// requests exceed, since crowds show there much earlier.
//
// A rank that falls off the sample leaves that end open: the data cannot bound
// the percentile there. An open end is NaN.
//
// # What it does not do
//
// A run that starts with an empty queue is optimistic, not only noisy; nothing
// here corrects that. Cut the warm-up first and prefer longer runs above a
// utilization of .8.
package stat

import "math"

// Interval is a figure with its 95% interval. A NaN end is open: the data
// cannot bound the figure on that side. A NaN Value is "not measured", and
// then both ends are open.
type Interval struct{ Value, Low, High float64 }

// Within tells whether the interval is known to within the given share of its
// value, such as .03 for 3%, on average of both sides. An open one is not.
func (iv Interval) Within(share float64) bool {
	return (iv.High-iv.Low)/2 <= share*math.Abs(iv.Value)
}

// unknown is the interval of a figure that was not measured.
func unknown() Interval { return Interval{math.NaN(), math.NaN(), math.NaN()} }

// batches is how many parts a run is cut into; t95 belongs to it.
const (
	batches = 10
	t95     = 2.262      // two-sided 95% point of Student's t with batches-1 = 9
	tLucky  = 1.25 * t95 // for percentiles: runs end when S happens to be small
)

// rank is the 1-based rank of the quantile q of n values, not clamped. The
// slack keeps .07 x 100 = 7.000000000000001 at rank 7.
func rank(q float64, n int) int { return int(math.Ceil(q*float64(n) - 1e-9)) }

// meanSD returns the mean and the sample standard deviation; sd is 0 for fewer
// than two values.
func meanSD(v []float64) (mean, sd float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	var ss float64
	for _, x := range v {
		ss += (x - mean) * (x - mean)
	}
	if len(v) > 1 {
		sd = math.Sqrt(ss / float64(len(v)-1))
	}
	return mean, sd
}
