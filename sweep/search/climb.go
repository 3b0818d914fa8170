package search

import (
	"cmp"
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Climb starts at the smallest settings of the plan and changes one knob at a time, up or down. It
// keeps a change that improves the result beyond noise, doubles the step while that helps, and ends
// when no change helps.
//
// Like Auto it depends only on the plan, the points and the history.
type Climb struct {
	*predictor
	remaining, tested int
	impossibleReason  string // why no point can keep the promise, at the last Next
}

// NewClimb returns the strategy for the points, which it copies. The error says why a trace of the
// plan cannot be read.
func NewClimb(p plan.Plan, points []plan.Point, t trial.MetricSet) (*Climb, error) {
	pr, err := newPredictor(p, points, t)
	return &Climb{predictor: pr, remaining: pr.maxTests()}, err
}

// Next returns the next point of the climb.
func (c *Climb) Next(found trial.History) (plan.Point, bool) {
	if c.plan.Question.SeeksRate() {
		if p, ok := c.probe(found.Probes); ok {
			return p, true
		}
	}
	v := c.view(found)
	c.tested = len(v.tests)
	p, ok := plan.Point{}, false
	switch {
	case v.unfinished >= 0:
		p, ok = v.nextRate(), true
	case v.whyNonePossible() != "" && len(v.tests) > 0:
	case len(v.tests) < c.maxLoadTests:
		p, ok = v.climb()
	}
	c.impossibleReason = v.confirmedReason()
	c.remaining = 0
	if ok { // a rough estimate: two moves per knob
		c.remaining = min(max(2*len(v.knobOrder())-len(v.tests), 1), c.maxTests()-len(v.tests))
	}
	return p, ok
}

// Left is a rough estimate: the number of moves is not known in advance.
func (c *Climb) Left() int { return max(c.remaining-1, 0) }

// Untried is 0: a climb does not report untried points.
func (c *Climb) Untried() int { return 0 }

// Impossible says why no point can keep the promise at any load.
func (c *Climb) Impossible() string { return c.impossibleReason }

// Ended says where the climb ended.
func (c *Climb) Ended() string {
	return fmt.Sprintf("the climb ended after %d of %d points, where no single knob gains beyond noise", c.tested, len(c.points))
}

// Outline says how the climb moves.
func (c *Climb) Outline() []string { return c.climbOutline() }

// climbOutline says what is probed before a climb, and how it moves.
func (pr *predictor) climbOutline() []string {
	var out []string
	if pr.plan.Question.SeeksRate() {
		out = append(pr.probesOutline(), "each setting: "+pr.rateSearchOutline())
	}
	text := "climb: from the smallest settings, one knob up or down at a time; a change that helps beyond noise is kept, until no knob helps"
	if pr.noPrediction != "" {
		text += "; " + pr.noPrediction
	}
	return append(out, text)
}

// climb replays the climb with the tests so far and returns the first point that it needs and that
// was not tested.
func (v *view) climb() (plan.Point, bool) {
	c := climb{view: v, current: v.climbStart()}
	if c.replay() {
		return plan.Point{}, false
	}
	if v.plan.Question.SeeksRate() {
		return v.startRateSearch(c.missing, c.reason), true
	}
	p := v.points[c.missing]
	p.Reason = joinSentences(c.reason, p.Reason)
	return p, true
}

// climbStart returns the point with the smallest settings.
func (v *view) climbStart() int {
	lowest := 0
	for i, p := range v.points {
		if compareSettings(p, v.points[lowest]) < 0 {
			lowest = i
		}
	}
	return lowest
}

// compareSettings orders points by their settings, the smallest first.
func compareSettings(a, b plan.Point) int {
	x, y := a.Settings, b.Settings
	return cmp.Or(
		cmp.Compare(x.Device, y.Device), cmp.Compare(x.Precision, y.Precision), cmp.Compare(x.Threads, y.Threads),
		cmp.Compare(x.Workers, y.Workers), cmp.Compare(x.BatchSize, y.BatchSize), cmp.Compare(x.BatchDelay, y.BatchDelay),
		cmp.Compare(x.QueueSize, y.QueueSize), x.Own.Compare(y.Own), cmp.Compare(a.Load.String(), b.Load.String()),
	)
}

// climb is a climb that stops at the first point without a test.
type climb struct {
	*view
	current int    // the point with the best result so far
	missing int    // the point that is needed next
	reason  string // why it is needed
}

// knobOrder returns the knobs in the order in which they are changed, the one with the largest
// effect first. The target's own knobs follow by name, because their effect is unknown.
func (pr *predictor) knobOrder() []knob.Name {
	out := []knob.Name{knob.BatchSize, knob.Workers, knob.BatchDelay, knob.Threads, knob.FP16, knob.Device, knob.QueueSize}
	var own []knob.Name
	for _, p := range pr.points {
		for n := range p.Settings.Own.All() {
			if !slices.Contains(own, n) {
				own = append(own, n)
			}
		}
	}
	slices.Sort(own)
	return append(out, own...)
}

// replay climbs to the end. It returns false if a test is missing.
func (c *climb) replay() bool {
	if !c.isTested(c.current, "the start of the climb") {
		return false
	}
	order := c.knobOrder()
	for moved := true; moved; {
		moved = false
		for _, k := range order {
			for _, direction := range []int{1, -1} {
				ok, ended := c.moveKnob(k, direction)
				if !ended {
					return false
				}
				moved = moved || ok
			}
		}
	}
	return true
}

// moveKnob changes one knob in one direction while that helps, in steps of 1, 2, 4 values. ended is
// false if a test is missing.
func (c *climb) moveKnob(k knob.Name, direction int) (moved, ended bool) {
	if c.isUnordered(k) {
		if direction < 0 {
			return false, true // the other direction tries all values
		}
		return c.tryAll(k)
	}
	for step := 1; ; step *= 2 {
		next := c.neighbour(k, direction*step)
		if next < 0 && step > 1 {
			step = 1
			next = c.neighbour(k, direction)
		}
		if next < 0 {
			return moved, true
		}
		from := c.points[c.current].Settings.Get(k)
		if !c.isTested(next, fmt.Sprintf("%s from %s to %s", k, from, c.points[next].Settings.Get(k))) {
			return moved, false
		}
		if !c.beats(next, c.current) {
			return moved, true
		}
		c.current, moved = next, true
	}
}

// isUnordered reports whether the values of an own knob of the target are words, whose order means
// nothing.
func (c *climb) isUnordered(k knob.Name) bool {
	if _, isSeven := knob.Get(k); isSeven {
		return false
	}
	return slices.ContainsFunc(c.line(k), func(i int) bool { return !knob.IsNumber(c.points[i].Settings.Get(k)) })
}

// tryAll tries every value of a knob and keeps the best one. ended is false if a test is missing.
func (c *climb) tryAll(k knob.Name) (moved, ended bool) {
	for _, next := range c.line(k) {
		if next == c.current {
			continue
		}
		if !c.isTested(next, fmt.Sprintf("%s from %s to %s", k, c.points[c.current].Settings.Get(k), c.points[next].Settings.Get(k))) {
			return moved, false
		}
		if c.beats(next, c.current) {
			c.current, moved = next, true
		}
	}
	return moved, true
}

// isTested reports whether a point was tested. If not, the point is what the climb needs next.
func (c *climb) isTested(point int, why string) bool {
	if c.tried(point) {
		return true
	}
	c.missing, c.reason = point, why
	return false
}

// neighbour returns the point that differs only in one knob, by this number of its values; -1 if
// there is none.
func (c *climb) neighbour(k knob.Name, by int) int {
	line := c.line(k)
	i := slices.Index(line, c.current) + by
	if i < 0 || i >= len(line) {
		return -1
	}
	return line[i]
}

// line returns the points that differ from the current one only in a knob, and the current one, the
// smallest settings first.
func (c *climb) line(k knob.Name) []int {
	here := c.points[c.current]
	var line []int
	for i, p := range c.points {
		s := p.Settings
		if s.Set(k, here.Settings.Get(k)) == nil && s == here.Settings && p.Load == here.Load.For(p.Settings.Workers*p.Settings.BatchSize) {
			line = append(line, i)
		}
	}
	slices.SortFunc(line, func(a, b int) int { return compareSettings(c.points[a], c.points[b]) })
	return line
}

// beats reports whether one tested point is better than another beyond noise: by the rules if at
// least one keeps the promise, otherwise by the distance to the promise.
func (c *climb) beats(a, b int) bool {
	x, y := c.testOf(a), c.testOf(b)
	if c.plan.Question.SeeksRate() {
		return x.rates.low > y.rates.low*(1+rateTolerance/2)
	}
	t, u := x.last(), y.last()
	switch meetsT, meetsU := c.rules.Meets(t) && !x.failed, c.rules.Meets(u) && !y.failed; {
	case meetsT != meetsU:
		return meetsT
	case !meetsT:
		return c.rules.Distance(t) < c.rules.Distance(u)-.01*(1+c.rules.Distance(u))
	}
	return c.rules.Beats(t, u)
}

// testOf returns the load test of a tested point.
func (c *climb) testOf(point int) loadTest {
	return c.tests[slices.IndexFunc(c.tests, func(x loadTest) bool { return x.point == point })]
}
