package search

import (
	"cmp"
	"fmt"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Climb moves one knob at a time from the smallest settings of the plan, up or
// down, keeps what is better beyond noise, takes steps twice as long while they
// help, and ends where no knob helps any more.
//
// Like Auto it is a function of what it is shown.
type Climb struct {
	*oracle
	left, done int
	none       string // why no point can keep the promise, by the last Next
}

// NewClimb returns the strategy over points, which stay the caller's. It is an
// error if a plan's trace cannot be read.
func NewClimb(p plan.Plan, points []plan.Point, t trial.MetricSet) (*Climb, error) {
	o, err := newOracle(p, points, t)
	return &Climb{oracle: o, left: o.mostTests()}, err
}

// Next returns the next point of the climb.
func (c *Climb) Next(found trial.History) (plan.Point, bool) {
	if c.plan.Question == plan.Capacity {
		if p, ok := c.probe(found.Probes); ok {
			return p, true
		}
	}
	v := c.view(found)
	c.done = len(v.tests)
	p, ok := plan.Point{}, false
	switch {
	case v.open >= 0:
		p, ok = v.goOn(), true
	case v.none() != "" && len(v.tests) > 0:
	case len(v.tests) < c.limit:
		p, ok = v.climb()
	}
	c.none = v.certainNone()
	c.left = 0
	if ok { // a guess: two moves a knob, less those made
		c.left = min(max(2*len(v.order())-len(v.tests), 1), c.mostTests()-len(v.tests))
	}
	return p, ok
}

// Left is a guess: nobody knows how far a climb goes.
func (c *Climb) Left() int { return max(c.left-1, 0) }

// Untried is how many points a climb that found nothing left out.
func (c *Climb) Untried() int { return 0 }

// Impossible says why no point can keep the promise at any load.
func (c *Climb) Impossible() string { return c.none }

// Ended says where a climb stops.
func (c *Climb) Ended() string {
	return fmt.Sprintf("the climb ended after %d of %d points, where no single knob gains beyond noise", c.done, len(c.points))
}

// Outline says how it moves.
func (c *Climb) Outline() []string { return c.climbOutline() }

// climbOutline says how a climb moves, and what it knows before.
func (o *oracle) climbOutline() []string {
	var out []string
	if o.plan.Question == plan.Capacity {
		out = append(o.ratesOutline(), "each setting: "+o.rateOutline())
	}
	text := "climb: from the smallest settings, one knob up or down at a time, what is better beyond noise is kept, until no knob helps"
	if o.blind != "" {
		text += "; " + o.blind
	}
	return append(out, text)
}

// climb replays the climb over the tests and returns the first point that it
// asks for and that was not tested.
func (v *view) climb() (plan.Point, bool) {
	c := climb{view: v, at: v.foot()}
	if c.run() {
		return plan.Point{}, false
	}
	if v.plan.Question == plan.Capacity {
		return v.begin(c.want, c.why), true
	}
	p := v.points[c.want]
	p.Reason = join(c.why, p.Reason)
	return p, true
}

// foot is the point where a climb begins: the smallest settings.
func (v *view) foot() int {
	lowest := 0
	for i, p := range v.points {
		if lower(p, v.points[lowest]) < 0 {
			lowest = i
		}
	}
	return lowest
}

func lower(a, b plan.Point) int {
	x, y := a.Settings, b.Settings
	return cmp.Or(
		cmp.Compare(x.Device, y.Device), cmp.Compare(x.Precision, y.Precision), cmp.Compare(x.Threads, y.Threads),
		cmp.Compare(x.Workers, y.Workers), cmp.Compare(x.BatchSize, y.BatchSize), cmp.Compare(x.BatchDelay, y.BatchDelay),
		cmp.Compare(x.QueueSize, y.QueueSize), x.Own.Compare(y.Own), cmp.Compare(a.Load.String(), b.Load.String()),
	)
}

// climb is a climb that stops at the first point without a measurement.
type climb struct {
	*view
	at   int    // the point stood on
	want int    // the point that is missing
	why  string // it is asked for
}

// order is that of the knobs, the one that moves most first. Nothing is known of the
// target's own: they follow by name.
func (o *oracle) order() []knob.Name {
	out := []knob.Name{knob.BatchSize, knob.Workers, knob.BatchDelay, knob.Threads, knob.FP16, knob.Device, knob.QueueSize}
	var own []knob.Name
	for _, p := range o.points {
		for n := range p.Settings.Own.All() {
			if !slices.Contains(own, n) {
				own = append(own, n)
			}
		}
	}
	slices.Sort(own)
	return append(out, own...)
}

// run climbs to the end; false when a measurement is missing.
func (c *climb) run() bool {
	if !c.has(c.at, "the start of the climb") {
		return false
	}
	order := c.order()
	for moved := true; moved; {
		moved = false
		for _, k := range order {
			for _, way := range []int{1, -1} {
				ok, ended := c.walk(k, way)
				if !ended {
					return false
				}
				moved = moved || ok
			}
		}
	}
	return true
}

// walk turns one knob one way while that helps, with steps of 1, 2, 4 values.
func (c *climb) walk(k knob.Name, way int) (moved, ended bool) {
	for step := 1; ; step *= 2 {
		next := c.beside(k, way*step)
		if next < 0 && step > 1 {
			step = 1
			next = c.beside(k, way)
		}
		if next < 0 {
			return moved, true
		}
		from := c.points[c.at].Settings.Get(k)
		if !c.has(next, fmt.Sprintf("%s from %s to %s", k, from, c.points[next].Settings.Get(k))) {
			return moved, false
		}
		if !c.beats(next, c.at) {
			return moved, true
		}
		c.at, moved = next, true
	}
}

// has tells whether a point was tested, and remembers the first that was not.
func (c *climb) has(point int, why string) bool {
	if c.tried(point) {
		return true
	}
	c.want, c.why = point, why
	return false
}

// beside is the point that differs in one knob by so many of its values; -1
// where there is none.
func (c *climb) beside(k knob.Name, by int) int {
	here := c.points[c.at]
	var line []int // points that differ in k alone
	for i, p := range c.points {
		s := p.Settings
		if s.Set(k, here.Settings.Get(k)) == nil && s == here.Settings && p.Load == here.Load.For(p.Settings.Workers*p.Settings.BatchSize) {
			line = append(line, i)
		}
	}
	slices.SortFunc(line, func(a, b int) int { return lower(c.points[a], c.points[b]) })
	i := slices.Index(line, c.at) + by
	if i < 0 || i >= len(line) {
		return -1
	}
	return line[i]
}

// beats tells whether one tested point is better than another beyond noise: by
// the rules where one of them keeps the promise, else by how far they are from
// it.
func (c *climb) beats(a, b int) bool {
	x, y := c.test(a), c.test(b)
	if c.plan.Question == plan.Capacity {
		return x.rates.low > y.rates.low*(1+bracketed/2)
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

func (c *climb) test(point int) tested {
	return c.tests[slices.IndexFunc(c.tests, func(x tested) bool { return x.point == point })]
}
