package search

import (
	"fmt"
	"math"

	"sweetspot/sweep/plan"
)

// When no untested point is expected to gain enough, one more rate of a tested one may: the search for the highest rate of
// a setting ends early if its trials were undecided, or if it could not exceed the best rate of that time.
const (
	minRefinement   = .006 // a smaller expected gain is not worth a trial
	refinementSteps = 40   // rates that are compared
	aboveEstimate   = 1.02 // of the estimated highest rate: no higher rate is tried
)

// refines reports whether more rates of tested points are tried: not if only the number of replicas or of workers counts.
func (v *view) refines() bool {
	return v.plan.Question == plan.Capacity && v.plan.Objective == plan.MostThroughput && v.simulator != nil && !v.everyPoint
}

// refinement returns one more rate of the tested point that is expected to gain most over the highest rate that passed.
func (v *view) refinement() (plan.Point, bool) {
	passed := v.highestOther(-1)
	if passed == 0 || !v.refines() {
		return plan.Point{}, false
	}
	best, rate, most := -1, 0., minRefinement
	for i, x := range v.tests {
		if x.failed || len(x.trials) >= x.rates.maxTrials() {
			continue
		}
		if r, gain := x.rates.bestNext(passed); gain > most {
			best, rate, most = i, r, gain
		}
	}
	if best < 0 {
		return plan.Point{}, false
	}
	x := v.tests[best]
	return v.anotherRate(x, rate, fmt.Sprintf("%s, estimated to serve %.4g/s; may gain %.1f%%", x.rates.bounds(), x.rates.estimate, 100*most)), true
}

// bestNext returns the rate above passed with the largest expected gain over it, and this gain: that of the rate times the
// chance that the setting serves it. Rates that have been tried, or are above one that did not pass, are left out.
func (r rateSearch) bestNext(passed float64) (rate, gain float64) {
	low, high := max(passed, r.low)*(1+rateTolerance/2), min(r.high*(1-rateTolerance/2), r.estimate*aboveEstimate, r.most)
	if !(low < high) {
		return 0, 0
	}
	for i := range refinementSteps + 1 {
		at := low * math.Pow(high/low, float64(i)/refinementSteps)
		chance := normalCDF(math.Log(r.estimate/at) / r.uncertainty())
		if g := chance * math.Log(at/passed); g > gain {
			rate, gain = at, g
		}
	}
	return rate, gain
}
