package search

import (
	"fmt"
	"math"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// When there is nothing left to gain, and what is done beside following the
// predictions.
const (
	noiseLevel = .007 // an expected gain below this is none
	fewTests   = 5    // before giving up on a promise
	giveUp     = .002 // chance of a pass
	hopeless   = .03  // chance of a pass of a point that need not be mentioned
	safe       = .8   // chance of a pass that the first test wants
	controlAt  = 5    // after so many tests the favourite is measured once more
	farTests   = 2    // tests far from the favourite, by the end
	farDoubt   = .12  // how wrong a prediction may be that the tests so far say nothing of
)

// farFrom is how many tests far from the favourite there should be after n.
func farFrom(n int) int { return min(n/2, farTests) }

// tried tells whether a point was tested.
func (v *view) tried(point int) bool {
	for _, x := range v.tests {
		if x.point == point {
			return true
		}
	}
	return false
}

// barred tells whether a point cannot keep the constraints, by one that broke
// them with no more workers and no larger batches.
func (v *view) barred(point int) bool {
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

// top is the untried point with the highest score, and the score; -1 without one.
// What cannot keep the promise at any load is not looked at.
func (v *view) top(score func(outlook) float64) (outlook, float64) {
	best, most := outlook{point: -1}, math.Inf(-1)
	for i := range v.points {
		if v.tried(i) || v.barred(i) || v.impossible(i) != "" {
			continue
		}
		if o := v.outlook(i); score(o) > most {
			best, most = o, score(o)
		}
	}
	return best, most
}

// hope looks for a first answer: the most promising point of those that are
// likely to keep the promise, or else the likeliest.
func (v *view) hope() (plan.Point, bool) {
	if why := v.none(); why != "" {
		return v.confirm(why)
	}
	o, score := v.top(func(o outlook) float64 {
		if o.pass < safe {
			return math.Inf(-1)
		}
		return o.worth
	})
	if math.IsInf(score, -1) {
		o, _ = v.top(func(o outlook) float64 { return o.pass * math.Exp(.1*math.Max(o.worth, -100)) })
	}
	if o.point < 0 || len(v.tests) >= fewTests && o.pass < giveUp {
		return plan.Point{}, false
	}
	if v.plan.Question == plan.Capacity {
		return v.test(o, "the most of all"), true
	}
	return v.test(o, fmt.Sprintf("keeps the promise with a chance of %.0f%%", 100*o.pass)), true
}

// hopeful counts the untried points that may keep the promise.
func (v *view) hopeful() int {
	n := 0
	for i := range v.points {
		if !v.tried(i) && (v.m == nil || v.impossible(i) == "" && v.outlook(i).pass >= hopeless) {
			n++
		}
	}
	return n
}

// better is the point with the largest expected gain on the best test.
func (v *view) better(best int) (plan.Point, bool) {
	on := v.worthOf(v.tests[best])
	o, gain := v.top(func(o outlook) float64 { return o.gain(on) })
	if o.point < 0 || gain < noiseLevel {
		return plan.Point{}, false
	}
	return v.test(o, fmt.Sprintf("may gain %.1f%%", 100*gain)), true
}

// far counts the tests of another group or batch size than the best one's.
func (v *view) far(best int) int {
	n := 0
	for _, x := range v.tests {
		if v.isFar(x.point, v.tests[best].point) {
			n++
		}
	}
	return n
}

func (v *view) isFar(a, b int) bool {
	x, y := v.points[a].Settings, v.points[b].Settings
	return groupOf(x) != groupOf(y) || doublings(x.BatchSize, y.BatchSize) >= 1
}

// away is the point far from the best test that would gain most if predictions
// were wrong.
func (v *view) away(best int) (plan.Point, bool) {
	on := v.worthOf(v.tests[best])
	o, score := v.top(func(o outlook) float64 {
		if o.pass <= 0 || !v.isFar(o.point, v.tests[best].point) {
			return math.Inf(-1)
		}
		o.sd = math.Hypot(o.sd, farDoubt*v.worth.scale)
		o.pass = math.Sqrt(o.pass)
		return o.gain(on)
	})
	if math.IsInf(score, -1) {
		return plan.Point{}, false
	}
	return v.test(o, fmt.Sprintf("far from trial %d, in case the predictions are wrong", v.tests[best].last().N)), true
}

// control is the best test once more, on another seed.
func (v *view) control(best int) plan.Point {
	x := v.tests[best]
	p := v.points[x.point]
	if v.plan.Question == plan.Capacity {
		p.Load.Rate = x.rates.low
	}
	p.Role, p.Reason = trial.RoleControl, "the best so far once more, on another seed"
	return p
}

// test is a point to be taken to its verdict.
func (v *view) test(o outlook, why string) plan.Point {
	if v.plan.Question == plan.Capacity {
		return v.begin(o.point, why)
	}
	p := v.points[o.point]
	p.Predicted = &trial.Predicted{ThroughputRPS: trial.NumOf(o.rate), ValueMS: trial.NumOf(o.value)}
	p.Reason = join(fmt.Sprintf("predicted %.0f/s, P%g %.1f ms, %s; %s", o.rate, v.plan.SLA.Percentile, o.value, v.place(o), why), p.Reason)
	return p
}

// place is where a point stands among all of them: "3rd of 84".
func (v *view) place(o outlook) string {
	n, all := 1, 0
	for i := range v.points {
		x := v.outlook(i)
		all++
		if x.pass >= fairChance && x.worth > o.worth {
			n++
		}
	}
	return fmt.Sprintf("%s of %d", ordinal(n), all)
}

// fairChance is that of a point which counts among the better ones.
const fairChance = .5

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
