package search

import (
	"fmt"
	"math"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// autoLoadTests is the default number of settings that Auto load-tests.
const autoLoadTests = 8

// maxForAll is the largest number of points that are all tried, without predictions.
const maxForAll = 3

// Auto probes service times, predicts every point with the simulator and load-tests the most
// promising points. Each load test corrects the following predictions. If the simulator cannot
// predict the points, Auto tries all of them if the number of load tests allows it, and otherwise it predicts them
// from the load tests alone.
//
// Auto depends only on the plan, the points and the history, so that a resumed sweep continues
// exactly like the interrupted one.
type Auto struct {
	*predictor
	remaining        int    // estimate of the last Next
	untried          int    // number of untried points that may keep the promise, when it ended
	endReason        string // see Ended
	impossibleReason string // why no point can keep the promise, at the last Next
}

// NewAuto returns the strategy for the points, which it copies. The error says why a trace of the
// plan cannot be read.
func NewAuto(p plan.Plan, points []plan.Point, t trial.MetricSet) (*Auto, error) {
	pr, err := newPredictor(p, points, t)
	pr.unprobed = true
	return &Auto{predictor: pr, remaining: pr.maxTests()}, err
}

// Left estimates the number of trials still to come, without probes.
func (a *Auto) Left() int { return a.remaining }

// Untried returns the number of untried points that may keep the promise.
func (a *Auto) Untried() int { return a.untried }

// Impossible says why no point can keep the promise at any load.
func (a *Auto) Impossible() string { return a.impossibleReason }

// Next returns the next probe, or the next trial.
func (a *Auto) Next(found trial.History) (plan.Point, bool) {
	if !a.triesAll() || a.needsSpeedProbe(found) {
		if p, ok := a.probe(found.Probes); ok {
			return p, true
		}
	}
	v := a.view(found)
	p, ok := a.decide(v)
	a.remaining, a.impossibleReason = a.trialsLeft(v, ok), v.confirmedReason()
	a.untried, a.endReason = 0, ""
	if !ok {
		a.setEndReason(v)
	}
	return p, ok
}

// setEndReason sets the reason why nothing more is tried.
func (a *Auto) setEndReason(v *view) {
	if v.bestTest() < 0 {
		a.untried = v.countPossible()
	}
	rest := len(a.points) - len(v.tests)
	if rest > 0 && v.simulator == nil {
		a.endReason = v.unprobedEnd()
	}
	if rest == 0 || v.simulator == nil {
		return
	}
	a.endReason = fmt.Sprintf("%d load tests of %d points, the others were predicted from %d service times", len(v.tests), len(a.points), len(a.cachedFor))
	if best := v.bestTest(); best >= 0 {
		bestScore := v.scoreOf(v.tests[best])
		_, gain := v.bestUntried(func(o expectation) float64 { return o.expectedGain(bestScore) })
		a.endReason += fmt.Sprintf(": the best of them is expected to gain %.1f%%", 100*max(gain, 0))
	} else {
		a.endReason += fmt.Sprintf(": %d of them may keep the promise", a.untried)
	}
	if n, why := v.countImpossible(); n > 0 {
		a.endReason += fmt.Sprintf("; %d cannot at any load: %s", n, why)
	}
	a.endReason += "."
	for _, c := range a.truncations {
		a.endReason += " " + c + "."
	}
}

// Ended says why the points without a load test were left out.
func (a *Auto) Ended() string { return a.endReason }

// Outline says what is probed and how the other points are decided.
func (a *Auto) Outline() []string {
	switch {
	case a.noPrediction != "" && a.triesAll():
		return []string{"auto: " + a.noPrediction + ": all points in this order, the load tests are enough for them"}
	case a.noPrediction != "":
		return a.unprobedOutline()
	case a.triesAll():
		return []string{"auto: all points in this order, because they are few; one probe before them measures the speed of the model"}
	}
	out := append(a.prober.outline(), fmt.Sprintf("predictions: all %d points, in the simulator, with the same arrivals", len(a.points)))
	for _, c := range a.truncations {
		out = append(out, "  "+c)
	}
	if a.plan.Question.SeeksRate() {
		out = append(out, "each load test: "+a.rateSearchOutline())
	}
	return append(out,
		fmt.Sprintf("load tests: at most %d: the most promising and safe point first, then the one with the largest expected gain", a.maxLoadTests),
		fmt.Sprintf("  %d of them far from the best one, and the best one again; the measurements correct the predictions", farTests),
		"end: when no other point is expected to gain 1%; then the best one is validated with another seed")
}

// triesAll reports whether there are so few points that all are tried, without predictions. If
// predictions are not possible, that is the number of load tests.
func (a *Auto) triesAll() bool {
	most := min(maxForAll, a.maxLoadTests)
	if a.noPrediction != "" {
		most = a.maxLoadTests
	}
	return a.plan.Question == plan.Throughput && len(a.points) <= most
}

// needsSpeedProbe reports whether one probe is needed only for the speed of the model: a few points
// need no predictions, but the length of a trial depends on the speed.
func (a *Auto) needsSpeedProbe(found trial.History) bool {
	fixed := a.plan.Trial.Requests > 0 || a.plan.Trial.Duration > 0
	return !fixed && len(found.Probes) == 0 && len(found.Trials) == 0
}

// trialsLeft estimates the number of trials after the point that Next returns.
func (a *Auto) trialsLeft(v *view, more bool) int {
	if !more {
		return 0
	}
	left := a.maxTests() - len(v.tests) - v.controls
	if a.plan.Question.SeeksRate() {
		left = a.trialsFor(left) + 1
	}
	// Trials that are too short for a verdict are useless. Expect fewer, longer trials.
	if c := CostOf(a.plan, v.history); c.HasRate() && c.Budget > 0 && a.plan.Trial.Requests == 0 {
		left = min(left, max(int(min(c.Passes(), math.MaxInt32)), 1)-len(v.history.Trials))
	}
	return max(left-1, 0)
}

// decide returns the next trial.
func (a *Auto) decide(v *view) (plan.Point, bool) {
	done := len(v.tests) + v.controls
	switch {
	case v.unfinished >= 0:
		return v.nextRate(), true
	case done >= a.maxLoadTests:
		return v.refinement()
	case a.triesAll():
		return a.nextUntried(v)
	case v.simulator == nil:
		return v.decideUnprobed()
	}
	best := v.bestTest()
	if best < 0 {
		return v.firstAnswer()
	}
	if v.countFar(best) < farTestsAfter(len(v.tests)) {
		if p, ok := v.farPoint(best); ok {
			return p, true
		}
	}
	if len(v.tests) >= controlAt && v.controls == 0 {
		return v.controlPoint(best), true
	}
	if p, ok := v.largestGain(best); ok {
		return p, true
	}
	if v.countFar(best) < farTests {
		if p, ok := v.farPoint(best); ok {
			return p, true
		}
	}
	if p, ok := v.refinement(); ok {
		return p, true
	}
	if v.controls == 0 && len(v.tests) > 1 {
		return v.controlPoint(best), true
	}
	return plan.Point{}, false
}

// tryAllReason says why every point is tried.
func (a *Auto) tryAllReason() string {
	if a.noPrediction != "" {
		return "all are tried: " + a.noPrediction + "."
	}
	return "one of few: all are tried."
}

// nextUntried returns the first point without a load test.
func (a *Auto) nextUntried(v *view) (plan.Point, bool) {
	for i, p := range a.points {
		if !v.tried(i) {
			p.Reason = joinSentences(a.tryAllReason(), p.Reason)
			return p, true
		}
	}
	return plan.Point{}, false
}
