package gaussian

import "math"

// assumptions is the number of assumptions that are weighed.
const assumptions = 128

// How the assumptions are spread: medians, and standard deviations of the logarithms.
const (
	effectSpread      = .8
	lengthMedian      = .6 // of the whole range of a knob
	lengthSpread      = .6
	interactionShare  = .4 // of the usual effect
	interactionSpread = .7
)

// newAssumption returns the k-th assumption for this number of axes.
func newAssumption(k, axes int, effect float64) assumption {
	a := assumption{effect: make([]float64, axes), length: make([]float64, axes)}
	u := sequence(k, 2*axes+1)
	for d := range axes {
		a.effect[d] = lognormal(u[2*d], effect, effectSpread)
		a.length[d] = lognormal(u[2*d+1], lengthMedian, lengthSpread)
	}
	a.interaction = lognormal(u[2*axes], interactionShare*effect, interactionSpread)
	return a
}

// sequence returns the k-th point of a sequence that fills the unit cube of n dimensions evenly: the additive
// recurrence with the powers of the positive root of x^(n+1) = x+1 (Roberts 2018).
func sequence(k, n int) []float64 {
	root := 2.0
	for range 50 {
		root = math.Pow(1+root, 1/float64(n+1))
	}
	out := make([]float64, n)
	for i := range out {
		_, out[i] = math.Modf(.5 + float64(k+1)*math.Pow(root, -float64(i+1)))
	}
	return out
}

// lognormal returns the quantile u of a value with this median and standard deviation of the logarithm.
func lognormal(u, median, spread float64) float64 {
	return median * math.Exp(spread*math.Sqrt2*math.Erfinv(2*u-1))
}
