package search

import (
	"math"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// spot is what makes two points the same one: of question capacity the rate is
// what is looked for.
type spot struct {
	settings knob.Settings
	load     load.Spec
}

func (o *oracle) spotOf(s knob.Settings, l load.Spec) spot {
	if o.plan.Question == plan.Capacity {
		l.Rate = 0
	}
	return spot{s, l}
}

// tested is a point with the trials of its load test.
type tested struct {
	point  int
	trials []trial.Trial
	failed bool // another look at it broke the promise, or it broke a constraint
	rates  rates
}

// last is the trial that stands for the test.
func (t tested) last() trial.Trial { return t.trials[len(t.trials)-1] }

// view is what is known at one moment: predictions, what became of them, and
// what they are worth after that. It is a function of the history alone.
type view struct {
	*oracle
	found     trial.History
	m         *model // nil where nothing can be predicted
	forecasts []forecast
	tests     []tested // in the order of their first trials
	controls  int
	spoiled   int // trials that do not count
	open      int // the test whose rate search goes on, -1 if none does

	rate, value, worth *calibration
}

// view reads a history.
func (o *oracle) view(found trial.History) *view {
	v := &view{oracle: o, found: found, open: -1}
	if v.m = o.model(found.Probes); v.m != nil {
		v.forecasts = o.all
	}
	for i, t := range found.Trials {
		p, known := o.index[o.spotOf(t.Settings, t.Load)]
		if !known || t.Role == trial.RoleLive || t.Role == trial.RoleValidation {
			continue
		}
		if v.spoils(t) {
			continue
		}
		if t.Role == trial.RoleControl {
			v.controls++
		}
		at := slices.IndexFunc(v.tests, func(x tested) bool { return x.point == p })
		if at < 0 {
			at = len(v.tests)
			v.tests = append(v.tests, tested{point: p})
		}
		v.add(at, found.Trials[i])
	}
	if v.m != nil {
		v.calibrate()
	}
	return v
}

// mostSpoiled is how many trials are taken again: a machine that stays busy has
// to be lived with.
const mostSpoiled = 3

// spoils tells whether a trial says more of a busy machine than of its settings.
// The point is then as good as untried.
func (v *view) spoils(t trial.Trial) bool {
	if !t.Disturbed() || t.Verdict.Result != trial.Undecided || t.Verdict.Leaning == trial.Pass || v.spoiled == mostSpoiled {
		return false
	}
	v.spoiled++
	return true
}

// add takes a trial in.
func (v *view) add(at int, t trial.Trial) {
	x := &v.tests[at]
	x.trials = append(x.trials, t)
	broken := t.Verdict.Likely() == trial.Fail && v.plan.Question == plan.Throughput
	x.failed = x.failed || broken || v.rules.Exceeds(t)
	if v.plan.Question != plan.Capacity {
		return
	}
	x.rates = v.follow(x.point, x.trials, v.most(at))
	if v.open = -1; !x.rates.done {
		v.open = at
	}
}

// most is the highest rate that a test other than the given one has reached.
func (v *view) most(but int) float64 {
	best := 0.0
	for i, x := range v.tests {
		if i != but && !x.failed && !v.whole {
			best = max(best, x.rates.low)
		}
	}
	return best
}

// places are those of the plan's points under what is predicted of them.
func (v *view) places() places {
	s := places{points: v.points, quick: make([]float64, len(v.points)), doubt: make([]float64, len(v.points))}
	most := 0.0
	for _, f := range v.forecasts {
		most = max(most, f.rate)
	}
	for i, f := range v.forecasts {
		s.doubt[i] = f.doubt
		if most > 0 {
			s.quick[i] = f.rate / most
		}
	}
	return s
}

// valueScale is how much less is known of percentiles than of rates before
// anything was measured: a simulator has no stalls.
const valueScale = 2

// calibrate compares what was measured with what was predicted.
func (v *view) calibrate() {
	var rate, value, worth []residual
	for _, x := range v.tests {
		f := v.forecasts[x.point]
		if v.plan.Question == plan.Capacity {
			if r := x.rates; r.estimate > 0 && f.rate > 0 {
				rate = append(rate, residual{x.point, math.Log(r.estimate / f.rate), r.uncertainty()})
			}
			continue
		}
		t := x.last()
		r, ok1 := t.Throughput.Value.Get()
		p, ok2 := t.Verdict.ValueMS.Get()
		if !ok1 || !ok2 || r <= 0 || p <= 0 || f.rate <= 0 || !(f.value > 0) {
			continue
		}
		rate = append(rate, residual{x.point, math.Log(r / f.rate), noise(t.Throughput.Value, t.Throughput.Low, t.Throughput.High, .005, .1)})
		value = append(value, residual{x.point, math.Log(p / f.value), noise(t.Verdict.ValueMS, t.Verdict.LowMS, t.Verdict.HighMS, .01, .3)})
		worth = append(worth, residual{x.point, v.worthOf(x) - v.expected(x.point, f.rate, f.value), rate[len(rate)-1].sd})
	}
	s := v.places()
	v.rate, v.value = calibrate(s, 1, rate), calibrate(s, valueScale, value)
	v.worth = v.rate
	if v.ownWorth() {
		v.worth = calibrate(s, 1, centred(worth))
	}
}

// noise is the standard deviation of the logarithm of a figure, from its 95%
// interval, within bounds.
func noise(value, low, high trial.Num, least, most float64) float64 {
	x, ok := value.Get()
	if !ok || x <= 0 {
		return most
	}
	half := max(high.Or(x*(1+most))-x, x-low.Or(x*(1-most)))
	return min(max(half/x/1.96, least), most)
}

// ownWorth tells whether points are compared by something else than their rate.
func (v *view) ownWorth() bool {
	return v.plan.Question == plan.Throughput &&
		(v.plan.Objective != plan.MostThroughput || slices.ContainsFunc(v.points, func(p plan.Point) bool { return p.Load.Mode != load.Closed }))
}

// centred takes the mean off residuals of a figure that has no prediction of its
// own, only one in proportion.
func centred(r []residual) []residual {
	mean := 0.0
	for _, x := range r {
		mean += x.value / float64(len(r))
	}
	for i := range r {
		r[i].value -= mean
	}
	return r
}

// Weights of what is asked beside throughput, as logarithms.
const (
	worthWorkers = 10. // of a doubling, where the fewest are wanted
	worthLatency = .2  // of a percentile, where the load fixes the throughput
)

// expected is what a point with these figures is worth: differences are those of
// logarithms of throughput.
func (v *view) expected(point int, rate, value float64) float64 {
	w := math.Log(rate)
	p := v.points[point]
	if p.Load.Mode != load.Closed && v.plan.Question == plan.Throughput {
		w -= worthLatency * math.Log(value)
	}
	if v.plan.Objective == plan.FewestWorkers {
		w -= worthWorkers * math.Log2(float64(p.Settings.Workers))
	}
	return w
}

// worthOf is expected of what was measured.
func (v *view) worthOf(x tested) float64 {
	if v.plan.Question == plan.Capacity {
		return v.expected(x.point, x.rates.estimate, 1) // all are compared by it, and a pass is below it
	}
	t := x.last()
	if v.plan.Objective == plan.RequestsPerJoule {
		if each, ok := rank.PerJoule(t).Get(); ok {
			return math.Log(each)
		}
	}
	return v.expected(x.point, t.Throughput.Value.Or(0), t.Verdict.ValueMS.Or(math.Inf(1)))
}

// best is the index into tests of the one to beat, -1 if none keeps the promise.
func (v *view) best() int {
	best, most := -1, math.Inf(-1)
	for i, x := range v.tests {
		kept := slices.ContainsFunc(x.trials, v.rules.Meets)
		if v.plan.Question == plan.Capacity {
			kept = x.rates.low > 0
		}
		if w := v.worthOf(x); kept && !x.failed && w > most {
			best, most = i, w
		}
	}
	return best
}

// outlook is what is expected of a point that was not tested.
type outlook struct {
	point int
	pass  float64 // chance of keeping the promise
	worth float64
	sd    float64 // of worth
	rate  float64
	value float64 // ms
}

// outlook of a point.
func (v *view) outlook(point int) outlook {
	f := v.forecasts[point]
	r, p, w := v.rate.at(point), v.value.at(point), v.worth.at(point)
	out := outlook{
		point: point, pass: 1, sd: w.sd,
		rate: f.rate * math.Exp(r.mean), value: f.value * math.Exp(p.mean),
		worth: v.expected(point, f.rate, f.value) + w.mean,
	}
	switch l := v.points[point].Load; {
	case v.plan.Question == plan.Capacity:
		out.value = f.value
	case l.Mode == load.Open:
		out.rate = min(out.rate, l.Rate)
	}
	limit := float64(v.plan.SLA.Limit) / 1e6
	switch {
	case !(f.rate > 0) || !(f.value > 0):
		out.pass, out.worth = 0, math.Inf(-1)
	case v.plan.Question == plan.Throughput:
		out.pass = normal((math.Log(limit) - math.Log(out.value)) / p.sd)
	}
	if f.late {
		out.pass = 0
	}
	if f.errs > v.plan.SLA.MaxErrorRate {
		out.pass *= .05 // a full queue is no matter of scale
	}
	return out
}

// gain is the expected improvement on a worth, times the chance of a pass.
func (o outlook) gain(on float64) float64 {
	if math.IsInf(o.worth, -1) {
		return 0
	}
	z := (o.worth - on) / o.sd
	return o.pass * ((o.worth-on)*normal(z) + o.sd*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi))
}

// normal is the distribution function of the normal law.
func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
