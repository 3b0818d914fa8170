package search

import (
	"fmt"
	"math"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// When Auto ends, and what it tests besides the points with the best predictions.
const (
	minGain        = .007 // a smaller expected gain is not worth a test
	minRateGain    = .01  // likewise, of the highest rate: one more rate of a tested point may gain the rest, see refinement
	minTests       = 5    // before Auto ends without a point that keeps the promise
	giveUpChance   = .002 // it ends if every other point has a smaller chance to keep the promise
	minChance      = .03  // points with a smaller chance are not reported as possible
	safeChance     = .8   // chance to keep the promise that the first test should have
	controlAt      = 5    // after this number of tests the best point is measured again
	farTests       = 2    // number of tests far from the best point, when Auto ends
	farUncertainty = .12  // standard deviation of the prediction error far from all tests so far
)

// farTestsAfter returns the number of tests far from the best point that there should be after n
// tests.
func farTestsAfter(n int) int { return min(n/2, farTests) }

// tried reports whether a point was load-tested.
func (v *view) tried(point int) bool {
	for _, x := range v.tests {
		if x.point == point {
			return true
		}
	}
	return false
}

// breaksConstraints reports whether a point cannot meet the constraints, because another point with
// at most its workers and batch size did not.
func (v *view) breaksConstraints(point int) bool {
	s := v.points[point].Settings
	for _, x := range v.tests {
		o := v.points[x.point].Settings
		if v.rules.Exceeds(x.last()) && o.Own == s.Own && o.Device == s.Device && o.Precision == s.Precision &&
			o.Workers <= s.Workers && o.BatchSize <= s.BatchSize {
			return true
		}
	}
	return false
}

// bestUntried returns the untried point with the highest value of the criterion, and this value;
// point -1 if there is none. Points that cannot keep the promise at any load are left out.
func (v *view) bestUntried(criterion func(expectation) float64) (expectation, float64) {
	best, most := expectation{point: -1}, math.Inf(-1)
	for i := range v.points {
		if v.tried(i) || v.breaksConstraints(i) || v.whyImpossible(i) != "" {
			continue
		}
		if o := v.expectation(i); criterion(o) > most {
			best, most = o, criterion(o)
		}
	}
	return best, most
}

// firstAnswer returns the next test while no test keeps the promise: the point with the best score
// of those that probably keep it, otherwise the point with the highest chance.
func (v *view) firstAnswer() (plan.Point, bool) {
	if why := v.whyNonePossible(); why != "" {
		return v.confirmationTest(why)
	}
	o, score := v.bestUntried(func(o expectation) float64 {
		if o.pass < safeChance {
			return math.Inf(-1)
		}
		return o.score
	})
	if math.IsInf(score, -1) {
		o, _ = v.bestUntried(func(o expectation) float64 { return o.pass * math.Exp(.1*math.Max(o.score, -100)) })
	}
	if o.point < 0 || len(v.tests) >= minTests && o.pass < giveUpChance {
		return plan.Point{}, false
	}
	if v.plan.Question.SeeksRate() {
		return v.testPoint(o, "the highest prediction"), true
	}
	return v.testPoint(o, fmt.Sprintf("keeps the promise with a chance of %.0f%%", 100*o.pass)), true
}

// countPossible counts the untried points that may keep the promise.
func (v *view) countPossible() int {
	n := 0
	for i := range v.points {
		if !v.tried(i) && (v.simulator == nil || v.whyImpossible(i) == "" && v.expectation(i).pass >= minChance) {
			n++
		}
	}
	return n
}

// largestGain returns the point with the largest expected gain over the best test.
func (v *view) largestGain(best int) (plan.Point, bool) {
	bestScore := v.scoreOf(v.tests[best])
	if v.estimates != nil {
		bestScore = v.estimates.bestScore(v, best)
	}
	o, gain := v.bestUntried(func(o expectation) float64 { return o.expectedGain(bestScore) })
	if o.point < 0 || gain < v.leastGain() {
		return plan.Point{}, false
	}
	return v.testPoint(o, fmt.Sprintf("may gain %.1f%%", 100*gain)), true
}

// leastGain returns the smallest expected gain that is worth a test.
func (v *view) leastGain() float64 {
	if v.refines() {
		return minRateGain
	}
	return minGain
}

// countFar counts the tests that are far from the best one.
func (v *view) countFar(best int) int {
	n := 0
	for _, x := range v.tests {
		if v.isFar(x.point, v.tests[best].point) {
			n++
		}
	}
	return n
}

// isFar reports whether two points differ in their group, or in their batch size by a factor of at
// least 2.
func (v *view) isFar(a, b int) bool {
	x, y := v.points[a].Settings, v.points[b].Settings
	return groupOf(x) != groupOf(y) || doublings(x.BatchSize, y.BatchSize) >= 1
}

// farPoint returns the point far from the best test that would gain most if the predictions were
// wrong.
func (v *view) farPoint(best int) (plan.Point, bool) {
	bestScore := v.scoreOf(v.tests[best])
	o, score := v.bestUntried(func(o expectation) float64 {
		if o.pass <= 0 || !v.isFar(o.point, v.tests[best].point) {
			return math.Inf(-1)
		}
		o.sd = math.Hypot(o.sd, farUncertainty*v.score.scale)
		o.pass = math.Sqrt(o.pass)
		return o.expectedGain(bestScore)
	})
	if math.IsInf(score, -1) {
		return plan.Point{}, false
	}
	return v.testPoint(o, fmt.Sprintf("far from trial %d, in case the predictions are wrong", v.tests[best].last().N)), true
}

// controlPoint returns the best test again, with another seed.
func (v *view) controlPoint(best int) plan.Point {
	x := v.tests[best]
	p := v.points[x.point]
	if v.plan.Question.SeeksRate() {
		p.Load.Rate = x.rates.low
	}
	p.Role, p.Reason = trial.RoleControl, "the best so far again, with another seed"
	return p
}

// testPoint returns the point of a load test, with its prediction and the reason for the test.
func (v *view) testPoint(o expectation, why string) plan.Point {
	if v.plan.Question.SeeksRate() {
		return v.startRateSearch(o.point, why)
	}
	p := v.points[o.point]
	p.Predicted = &trial.Predicted{ThroughputRPS: trial.NumOf(o.rate), ValueMS: trial.NumOf(o.value)}
	p.Reason = joinSentences(fmt.Sprintf("predicted %.0f/s, P%g %.1f ms, %s; %s", o.rate, v.plan.SLA.Percentile, o.value, v.rankText(o), why), p.Reason)
	return p
}

// rankText returns the rank of a point among all points: "3rd of 84".
func (v *view) rankText(o expectation) string {
	n, all := 1, 0
	for i := range v.points {
		x := v.expectation(i)
		all++
		if x.pass >= fairChance && x.score > o.score {
			n++
		}
	}
	return fmt.Sprintf("%s of %d", ordinal(n), all)
}

// fairChance is the chance to keep the promise from which a point is ranked before others.
const fairChance = .5

// ordinal returns n with its suffix: "3rd".
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}
