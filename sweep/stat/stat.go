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
// t(9) = 2.262, and a tenth more for the reason below. Nothing is assumed about the shape of the latencies. It is the
// method of batch means (Conway 1963; Schmeiser 1982 on why about ten batches
// are enough) on the indicator that Heidelberger and Lewis (1984) use.
//
// One S from 10 batches is noisy, and a run that ends when its interval looks
// narrow ends when S happens to be small. So S is written as
// S^2 = f q(1-q)/n, where f >= 1 says how many requests are worth one
// independent request, and f is the largest found at q and at the points that
// 5, 10, 20 and 50 times as many requests exceed: crowds show there much
// earlier. In our simulations this, and the tenth, take the coverage of runs that
// end on their own width from 75-90% to 95-99% up to a utilization of .8
// (cmd/bench interval).
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
	t95     = 2.262     // two-sided 95% point of Student's t with batches-1 = 9
	tLucky  = 1.1 * t95 // for percentiles: runs end when S happens to be small
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
		p[j] = float64(below) / float64(len(part))
	}
	mean, sd := meanSD(p[:])
	if mean <= 0 || mean >= 1 {
		return 0
	}
	return sd * sd / batches * float64(len(v)) / (mean * (1 - mean))
}

// Where crowding looks for crowds: at points that so many times as many values
// exceed as the quantile. An interval looks further down than a verdict, which
// looks at its limit too, again and again, and would lose more than it wins.
func intervalPoints() []float64 { return []float64{1, 5, 10, 20, 50} }
func verdictPoints() []float64  { return []float64{1, 5, 10} }

// crowding is the largest inflation at the given points, at least 1.
func crowding(v, sorted []float64, q float64, points []float64) float64 {
	f := 1.0
	for _, times := range points {
		r := rank(max(1-times*(1-q), min(q, .5)), len(sorted))
		f = max(f, inflation(v, sorted[min(max(r, 1), len(sorted))-1]))
	}
	return f
}
