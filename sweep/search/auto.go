package search

import (
	"fmt"
	"math"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// autoLoadTests is how many settings Auto takes to their verdict by default.
const autoLoadTests = 8

// fewForAll is so few points that all are simply tried.
const fewForAll = 3

// Auto probes service times, predicts every point with the simulator, and
// verifies the most promising ones under load, each time with what the last
// measurement says of the predictions. Where nothing can be predicted it tries all
// points if the load tests are enough for them, and climbs if they are not.
//
// It is a function of the plan, the points and the history it is shown: a sweep
// that is resumed goes on as the interrupted one would have.
type Auto struct {
	*oracle
	left  int // estimated by the last Next
	open  int // points that may keep the promise, when it ended
	ended string
	none  string // why no point can keep the promise, by the last Next
}

// NewAuto returns the strategy over points, which stay the caller's. It is an
// error if a plan's trace cannot be read.
func NewAuto(p plan.Plan, points []plan.Point, t trial.MetricSet) (*Auto, error) {
	o, err := newOracle(p, points, t)
	return &Auto{oracle: o, left: o.mostTests()}, err
}

// Left estimates the trials to come; probes are not counted.
func (a *Auto) Left() int { return a.left }

// Untried is how many points may keep the promise and were not measured.
func (a *Auto) Untried() int { return a.open }

// Impossible says why no point can keep the promise at any load.
func (a *Auto) Impossible() string { return a.none }

// Next returns the next probe, or the next trial.
func (a *Auto) Next(found trial.History) (plan.Point, bool) {
	if !a.few() || a.paceWanted(found) {
		if p, ok := a.probe(found.Probes); ok {
			return p, true
		}
	}
	v := a.view(found)
	p, ok := a.decide(v)
	a.left, a.none = a.trialsLeft(v, ok), v.certainNone()
	a.open, a.ended = 0, ""
	if !ok {
		a.end(v)
	}
	return p, ok
}

// end notes why nothing more is tried.
func (a *Auto) end(v *view) {
	if v.best() < 0 {
		a.open = v.hopeful()
	}
	rest := len(a.points) - len(v.tests)
	if rest > 0 && a.blind != "" {
		a.ended = fmt.Sprintf("%d load tests of %d points, one knob at a time: %s.", len(v.tests), len(a.points), a.blind)
	}
	if rest == 0 || v.m == nil {
		return
	}
	a.ended = fmt.Sprintf("%d load tests of %d points, the others were predicted from %d service times", len(v.tests), len(a.points), len(a.known))
	if best := v.best(); best >= 0 {
		on := v.worthOf(v.tests[best])
		_, gain := v.top(func(o outlook) float64 { return o.gain(on) })
		a.ended += fmt.Sprintf(": the best of them is expected to gain %.1f%%", 100*max(gain, 0))
	} else {
		a.ended += fmt.Sprintf(": %d of them may keep the promise", a.open)
	}
	if n, why := v.ruledOut(); n > 0 {
		a.ended += fmt.Sprintf("; %d cannot at any load: %s", n, why)
	}
	a.ended += "."
	for _, c := range a.cut {
		a.ended += " " + c + "."
	}
}

// Ended says what became of the points that were not tested.
func (a *Auto) Ended() string { return a.ended }

// Outline says what is probed, and how the rest is decided.
func (a *Auto) Outline() []string {
	switch {
	case a.blind != "" && a.few():
		return []string{"auto: " + a.blind + ": all points in this order, the load tests are enough for them"}
	case a.blind != "":
		return append(a.climbOutline(), fmt.Sprintf("load tests: at most %d", a.limit))
	case a.few():
		return []string{"auto: all points in this order, they are few; one probe before them says how fast the model is"}
	}
	out := append(a.scout.outline(), fmt.Sprintf("predictions: all %d points, in the simulator, with the same arrivals", len(a.points)))
	for _, c := range a.cut {
		out = append(out, "  "+c)
	}
	if a.plan.Question == plan.Capacity {
		out = append(out, "each load test: "+a.rateOutline())
	}
	return append(out,
		fmt.Sprintf("load tests: at most %d: the most promising and safe point first, then the one with the largest expected gain", a.limit),
		fmt.Sprintf("  of them %d far from the favourite, and once the favourite again; what is measured corrects the predictions", farTests),
		"end: when no other point is expected to gain 1%; then the favourite is validated on a fresh seed")
}

// few tells whether there is nothing to predict: so few points are all tried. Where
// nothing can be predicted, as many as there are load tests are few.
func (a *Auto) few() bool {
	most := min(fewForAll, a.limit)
	if a.blind != "" {
		most = a.limit
	}
	return a.plan.Question == plan.Throughput && len(a.points) <= most
}

// paceWanted tells whether one probe is to say how fast the model is: few points
// need no predictions, but trials of a slow model need to know how long to last.
func (a *Auto) paceWanted(found trial.History) bool {
	fixed := a.plan.Trial.Requests > 0 || a.plan.Trial.Duration > 0
	return !fixed && len(found.Probes) == 0 && len(found.Trials) == 0
}

// trialsLeft estimates what is still to come after the point that Next returns.
func (a *Auto) trialsLeft(v *view, more bool) int {
	if !more {
		return 0
	}
	left := a.mostTests() - len(v.tests) - v.controls
	if a.plan.Question == plan.Capacity {
		left = a.trialsOf(left) + 1
	}
	// Trials that are too short for a verdict are of no use to anybody: rather
	// fewer of them.
	if c := CostOf(a.plan, v.found); c.Known() && c.Budget > 0 && a.plan.Trial.Requests == 0 {
		left = min(left, max(int(min(c.Passes(), math.MaxInt32)), 1)-len(v.found.Trials))
	}
	return max(left-1, 0)
}

// decide is what to do next.
func (a *Auto) decide(v *view) (plan.Point, bool) {
	done := len(v.tests) + v.controls
	switch {
	case v.open >= 0:
		return v.goOn(), true
	case done >= a.limit:
		return plan.Point{}, false
	case a.few():
		return a.all(v)
	case v.m == nil:
		return v.climb()
	}
	best := v.best()
	if best < 0 {
		return v.hope()
	}
	if v.far(best) < farFrom(len(v.tests)) {
		if p, ok := v.away(best); ok {
			return p, true
		}
	}
	if len(v.tests) >= controlAt && v.controls == 0 {
		return v.control(best), true
	}
	if p, ok := v.better(best); ok {
		return p, true
	}
	if v.far(best) < farTests {
		if p, ok := v.away(best); ok {
			return p, true
		}
	}
	if v.controls == 0 && len(v.tests) > 1 {
		return v.control(best), true
	}
	return plan.Point{}, false
}

// whyAll is why every point is tried.
func (a *Auto) whyAll() string {
	if a.blind != "" {
		return "all are tried: " + a.blind + "."
	}
	return "one of few: all are tried."
}

// all tries the points in order.
func (a *Auto) all(v *view) (plan.Point, bool) {
	for i, p := range a.points {
		if !v.tried(i) {
			p.Reason = join(a.whyAll(), p.Reason)
			return p, true
		}
	}
	return plan.Point{}, false
}
