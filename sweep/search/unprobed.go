package search

import (
	"fmt"
	"math"
	"strings"

	"sweetspot/sweep/plan"
)

// unprobedLoadTests is the default number of settings that Auto load-tests without probes.
const unprobedLoadTests = 12

// spreadTests returns the number of tests that are spread over the space before estimates choose the points: one, and
// one more for each knob, because fewer say nothing about a knob.
func (v *view) spreadTests() int { return 1 + len(v.space()) }

// decideUnprobed returns the next trial of a target of which the simulator predicts nothing: a few points that
// are far from each other, then those with the largest expected gain.
func (v *view) decideUnprobed() (plan.Point, bool) {
	if len(v.tests) < v.spreadTests() {
		if i := v.farthest(); i >= 0 {
			return v.spreadPoint(i), true
		}
	}
	best := v.bestTest()
	if best < 0 {
		return v.likeliest()
	}
	return v.largestGain(best)
}

// spreadPoint returns a point that is tested because it is far from the others.
func (v *view) spreadPoint(i int) plan.Point {
	why := "the middle of the space, to begin with"
	if len(v.tests) > 0 {
		why = "far from the settings that were tested"
	}
	if v.estimates != nil {
		return v.testPoint(v.expectation(i), why)
	}
	if v.plan.Question == plan.Capacity {
		return v.startRateSearch(i, why)
	}
	p := v.points[i]
	p.Reason = joinSentences(why, p.Reason)
	return p
}

// farthest returns the untried point that is farthest from the tested ones, and of equal ones the nearest to the
// middle; before the first test the nearest to the middle; -1 if there is none.
func (v *view) farthest() int {
	best, most := -1, math.Inf(-1)
	for i := range v.points {
		if v.tried(i) || v.breaksConstraints(i) {
			continue
		}
		apart := 0.0
		if len(v.tests) > 0 {
			apart = math.Inf(1)
			for _, x := range v.tests {
				apart = min(apart, v.distance(i, x.point))
			}
		}
		if d := apart - .3*v.fromMiddle(i); d > most+1e-9 {
			best, most = i, d
		}
	}
	return best
}

// distance returns the Euclidean distance of two points, in which different values of an unordered knob are 1 apart.
func (v *view) distance(i, j int) float64 {
	sum := 0.0
	for _, a := range v.space() {
		d := a.At[i] - a.At[j]
		if a.Unordered && d != 0 {
			d = 1
		}
		sum += d * d
	}
	return math.Sqrt(sum)
}

// fromMiddle returns the distance of a point from the middle of the ordered knobs.
func (v *view) fromMiddle(i int) float64 {
	sum := 0.0
	for _, a := range v.space() {
		if !a.Unordered {
			sum += square(a.At[i] - .5)
		}
	}
	return math.Sqrt(sum)
}

// likeliest returns the next test while no test keeps the promise.
func (v *view) likeliest() (plan.Point, bool) {
	o, _ := v.bestUntried(func(o expectation) float64 { return o.pass * math.Exp(.1*math.Max(o.score, -100)) })
	if o.point < 0 || len(v.tests) >= minTests && o.pass < giveUpChance {
		return plan.Point{}, false
	}
	return v.testPoint(o, fmt.Sprintf("keeps the promise with a chance of %.0f%%", 100*o.pass)), true
}

// whyUnprobed says why there are no probes: "the target does not report the times and sizes of its batches".
func (pr *predictor) whyUnprobed() string {
	if pr.noPrediction == "" {
		return "no service time could be measured"
	}
	return strings.TrimPrefix(pr.noPrediction, nothingPredicted)
}

// unprobedOutline says how the points are chosen.
func (pr *predictor) unprobedOutline() []string {
	spread := min(1+len(spaceOf(pr.points)), pr.maxTests())
	out := []string{"auto without probes, because " + pr.whyUnprobed()}
	if pr.plan.Question == plan.Capacity {
		out = append(out, "each load test: "+pr.rateSearchOutline())
	}
	return append(out,
		fmt.Sprintf("load tests: at most %d: first %d that are far from each other, then the one with the largest expected gain", pr.maxTests(), spread),
		fmt.Sprintf("predictions: all %d points, from the load tests so far (a Gaussian process over the knobs)", len(pr.points)),
		"end: when no other point is expected to gain 1%; then the best one is validated with another seed")
}

// unprobedEnd says why points were left out.
func (v *view) unprobedEnd() string {
	text := fmt.Sprintf("%d load tests of %d points", len(v.tests), len(v.points))
	best := v.bestTest()
	if v.estimates == nil {
		return text + "."
	}
	if best < 0 {
		o, _ := v.bestUntried(func(o expectation) float64 { return o.pass })
		return fmt.Sprintf("%s, the others were predicted from them: each keeps the promise with a chance of at most %s.", text, chanceText(o.pass))
	}
	_, gain := v.bestUntried(func(o expectation) float64 { return o.expectedGain(v.estimates.bestScore(v, best)) })
	text += fmt.Sprintf(", the others were predicted from them: the best of them is expected to gain %.1f%%", 100*max(gain, 0))
	if gain >= minGain {
		text += "; more load tests may find it (load_tests)"
	}
	return text + "."
}

// chanceText returns a probability in percent, never 0 by rounding.
func chanceText(p float64) string {
	if p < .001 {
		return "0.1%"
	}
	return fmt.Sprintf("%.1f%%", 100*p)
}
