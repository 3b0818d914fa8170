// Package stat has the statistics of measurements: intervals of percentiles ([Quantile]) and of
// rates ([Rate]), whether a run has measured enough ([Settled]), sequential verdicts
// ([Decide]), the end of a warm-up ([Warmup]), and the comparison of two settings that were
// measured alternately ([Paired]).
//
// All functions are pure: no clock, no goroutine, no own random source. They do not change
// their inputs, and results share no memory with them. Values have the caller's unit and must
// be finite.
//
// # Percentiles
//
// The percentile q of n values is the one of rank ceil(q n). Fewer than
// 1/(1-q) values have no such percentile: 100 answers for a P99.
//
// Its interval is the union of two.
//
// Order statistics: the number of values at or below the true percentile is
// binomial (n, q), so two ranks enclose it in 95% of all runs, if requests are
// independent. In a queue they are not: one long batch delays all requests after
// it, and such intervals cover 30-80% instead of 95%.
//
// Batch means of the indicator "at or below x": the run is split into 10 batches
// in time order, p_j is the share at or below the measured percentile x in
// batch j, and S = sd(p_j)/sqrt(10) is the standard error of the share q,
// including the effects of queueing. The ends are the percentiles at q - t S and
// q + t S with t(9) = 2.262, and a quarter more for the reason below. The shape
// of the latencies does not matter. This is the method of batch means (Conway
// 1963; Schmeiser 1982 on why about ten batches are enough) for the indicator of
// Heidelberger and Lewis (1984).
//
// S from only 10 batches is noisy, and a run that ends when its interval is narrow
// often ends when S is too small by chance. So S is written as
// S^2 = f q(1-q)/n, where f >= 1, the variance inflation, is the number of requests
// that are worth one independent request. It is estimated from the clusters of
// requests over the percentile: two such requests are in different clusters if the
// queue has drained between them, which four requests in a row at or below the
// median show, and if more time has passed than either took. If clusters arrive
// independently, the variance of the number of requests over a limit is the sum of
// the squared cluster sizes (a compound Poisson process; on clusters of extremes:
// Leadbetter 1983). Twelve clusters are enough to estimate f. With fewer, f is the
// largest of several estimates: that one with a margin, the same at lower points,
// and the variance between ten batches at the percentile and at the point that 5
// times as many requests exceed, where clusters show much earlier.
//
// If a rank is outside the sample, that end is open: the data cannot bound the
// percentile there. An open end is NaN.
//
// # What it does not do
//
// A run that starts with an empty queue is biased to low latencies; nothing here corrects
// that. Remove the warm-up first, and prefer longer runs above a utilization of .8.
package stat

import "math"

// Interval is a figure with its 95% interval. A NaN end is open: the data
// cannot bound the figure on that side. A NaN Value is "not measured", and
// then both ends are open.
type Interval struct{ Value, Low, High float64 }

// Within reports whether half the width of the interval is at most the given share of its
// value, such as .03 for 3%. It is false for an open interval.
func (iv Interval) Within(share float64) bool {
	return (iv.High-iv.Low)/2 <= share*math.Abs(iv.Value)
}

// notMeasured returns the interval of a figure that was not measured.
func notMeasured() Interval { return Interval{math.NaN(), math.NaN(), math.NaN()} }

// batches is the number of batches of a run.
const (
	batches     = 10
	t95         = 2.262      // two-sided 95% point of Student's t with batches-1 = 9
	tSequential = 1.25 * t95 // for percentiles, because runs end when S is too small by chance
)

// rank returns the 1-based rank of the quantile q of n values, not clamped. The term 1e-9 keeps
// .07 x 100 = 7.000000000000001 at rank 7.
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
