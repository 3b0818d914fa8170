package search

import (
	"math"
	"slices"
	"strconv"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search/gaussian"
	"sweetspot/sweep/trial"
)

// estimates predict the figures of all points from the load tests alone, for targets of which the simulator
// predicts nothing. Each figure is a Gaussian process over the knobs.
type estimates struct {
	score *gaussian.Process // see view.score, without the part that follows from the settings
	rate  *gaussian.Process // log(requests/s)
	value *gaussian.Process // log(ms) of the percentile
	kept  *gaussian.Process // whether everything but the percentile is as promised, 1 or 0; nil if it always was

	cached []*expectation // by point; nil is not computed
}

// What is known of the figures before any test. They are logarithms, apart from kept.
const (
	effectOnRate = .5 // usual effect of a knob over its range
	unknownLevel = 1. // standard deviation of the level of a figure
	effectOnKept = .35
	usuallyKept  = .95
	sdKept       = .1 // a failure may be one of chance
	censoredRate = .7 // a rate that is only known to be lower than one that failed, as a share of that one
	sdCensored   = .3
)

// newEstimates returns the estimates from the tests of v, nil without any test.
func newEstimates(v *view) *estimates {
	if len(v.tests) == 0 {
		return nil
	}
	var score, rate, value, kept []gaussian.Observation
	failures := false
	for _, x := range v.tests {
		ok := 1.
		if x.brokenOtherwise() || v.plan.Question.SeeksRate() && x.rates.failsEverywhere() || v.rules.Exceeds(x.last()) {
			ok, failures = 0, true
		}
		kept = append(kept, gaussian.Observation{Point: x.point, Value: ok, SD: sdKept})
		if r, s, ok := v.rateOf(x); ok {
			rate = append(rate, gaussian.Observation{Point: x.point, Value: math.Log(r), SD: s})
			if w := v.scoreOf(x) - v.expectedScore(x.point, 1, 1); !math.IsInf(w, 0) && w == w {
				score = append(score, gaussian.Observation{Point: x.point, Value: w, SD: s})
			}
		}
		if p, ok := x.last().Verdict.ValueMS.Get(); ok && p > 0 && v.plan.Question == plan.Throughput {
			d := x.last().Verdict
			value = append(value, gaussian.Observation{Point: x.point, Value: math.Log(p), SD: noise(d.ValueMS, d.LowMS, d.HighMS, .01, .3)})
		}
	}
	s := gaussian.NewSpace(append(v.space(), products(v.points)...)...)
	e := &estimates{rate: fitLogarithm(s, rate), value: fitLogarithm(s, value), cached: make([]*expectation, len(v.points))}
	if e.score = e.rate; v.hasOwnScore() {
		e.score = fitLogarithm(s, score)
	}
	if failures {
		e.kept = gaussian.Fit(s, gaussian.Prior{Mean: usuallyKept, MeanSD: sdKept, Effect: effectOnKept}, kept)
	}
	return e
}

// fitLogarithm fits a figure whose level is not known.
func fitLogarithm(s gaussian.Space, o []gaussian.Observation) *gaussian.Process {
	mean := 0.
	for _, x := range o {
		mean += x.Value / float64(len(o))
	}
	return gaussian.Fit(s, gaussian.Prior{Mean: mean, MeanSD: unknownLevel, Effect: effectOnRate}, o)
}

// brokenOtherwise reports whether the test broke the promise, but not by its percentile: the server did not
// start, answered with errors, or did not keep up.
func (t loadTest) brokenOtherwise() bool {
	return slices.ContainsFunc(t.trials, func(x trial.Trial) bool {
		value, ok := x.Verdict.ValueMS.Get()
		return x.Verdict.Result == trial.Fail && (!ok || value <= x.Verdict.LimitMS)
	})
}

// failsEverywhere reports whether no rate passed and none was undecided for lack of answers.
func (r rateSearch) failsEverywhere() bool {
	return r.done && r.low == 0 && r.tooFew == 0 && !math.IsInf(r.high, 1)
}

// rateOf returns the rate of a test and the standard deviation of its logarithm; false if it was not measured.
func (v *view) rateOf(x loadTest) (rate, sd float64, ok bool) {
	if v.plan.Question == plan.Capacity {
		switch r := x.rates; {
		case r.low > 0:
			return r.estimate, r.uncertainty(), r.estimate > 0
		case !math.IsInf(r.high, 1) && r.high > 0:
			return r.high * censoredRate, sdCensored, true
		}
		return 0, 0, false
	}
	t := x.last()
	rate, ok = t.Throughput.Value.Get()
	return rate, noise(t.Throughput.Value, t.Throughput.Low, t.Throughput.High, .005, .1), ok && rate > 0
}

// expectation predicts a point.
func (e *estimates) expectation(v *view, point int) expectation {
	if e.cached[point] == nil {
		o := e.predict(v, point)
		e.cached[point] = &o
	}
	return *e.cached[point]
}

func (e *estimates) predict(v *view, point int) expectation {
	rate, rateSD := e.rate.At(point)
	value, valueSD := e.value.At(point)
	score, sd := e.score.At(point)
	out := expectation{
		point: point, pass: 1, sd: max(sd, sdPoint), score: score + v.expectedScore(point, 1, 1),
		rate: math.Exp(rate), value: math.Exp(value), rateSD: rateSD, valueSD: valueSD,
	}
	if l := v.points[point].Load; l.Mode == load.Open && v.plan.Question == plan.Throughput {
		out.rate = min(out.rate, l.Rate)
	}
	if v.plan.Question == plan.Capacity {
		out.value = math.NaN() // it is that of the highest rate, so near the limit
	} else {
		limit := math.Log(float64(v.plan.SLA.Limit) / 1e6)
		out.pass = normalCDF((limit - value) / max(valueSD, sdPoint))
	}
	if e.kept != nil {
		share, _ := e.kept.At(point)
		out.pass *= min(max(share, 0), 1)
	}
	return out
}

// bestScore returns the score of the best test as it is expected, which is less optimistic than the measured one: the best
// of several noisy figures is too high.
func (e *estimates) bestScore(v *view, best int) float64 {
	return min(v.scoreOf(v.tests[best]), e.expectation(v, v.tests[best].point).score)
}

// space returns the coordinates of the points: an axis for each knob that they differ in, and for the load.
func (v *view) space() []gaussian.Axis {
	if v.cachedSpace == nil {
		v.cachedSpace = spaceOf(v.points)
	}
	return v.cachedSpace
}

func spaceOf(points []plan.Point) []gaussian.Axis {
	out := []gaussian.Axis{}
	texts := make([]string, len(points))
	add := func(text func(plan.Point) string) {
		for i, p := range points {
			texts[i] = text(p)
		}
		if axis, differ := axisOf(texts); differ {
			out = append(out, axis)
		}
	}
	for _, n := range knobNames(points) {
		add(func(p plan.Point) string { return p.Settings.Get(n) })
	}
	add(func(p plan.Point) string { return loadText(p.Load) })
	return out
}

// knobNames returns the names of the seven knobs and of the own knobs of the points.
func knobNames(points []plan.Point) []knob.Name {
	var out []knob.Name
	for _, k := range knob.All() {
		out = append(out, k.Name)
	}
	for _, p := range points {
		for n := range p.Settings.Own.All() {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// loadText returns a number for loads that differ only in it.
func loadText(l load.Spec) string {
	switch l.Mode {
	case load.Closed:
		return strconv.Itoa(l.Concurrency)
	case load.Open:
		return strconv.FormatFloat(l.Rate, 'g', -1, 64)
	}
	return l.String()
}

// products returns an axis for the product of each two sizes: what a server does often depends on it, as the requests
// under way are workers times batch size, and the busy cores workers times threads.
func products(points []plan.Point) []gaussian.Axis {
	var sizes [][]float64
	for _, n := range knobNames(points) {
		values := make([]float64, len(points))
		for i, p := range points {
			v, err := strconv.ParseFloat(p.Settings.Get(n), 64)
			if values[i] = v; err != nil || v < 1 || v != math.Trunc(v) {
				values = nil
				break
			}
		}
		if values != nil && slices.Max(values) >= logScale*slices.Min(values) {
			sizes = append(sizes, values)
		}
	}
	var out []gaussian.Axis
	for i, a := range sizes {
		for _, b := range sizes[:i] {
			product := make([]float64, len(points))
			for k := range product {
				product[k] = a[k] * b[k]
			}
			scaled(product)
			out = append(out, gaussian.Axis{At: product})
		}
	}
	return out
}

// axisOf returns the coordinates of the values of a knob, and whether they differ. Numbers are ordered: by
// their logarithm if they span a factor of logScale, because what a doubling does is similar everywhere.
func axisOf(texts []string) (axis gaussian.Axis, differ bool) {
	axis.At = make([]float64, len(texts))
	seen := map[string]int{}
	for i, t := range texts {
		if _, ok := seen[t]; !ok {
			seen[t] = len(seen)
		}
		axis.At[i] = float64(seen[t])
		axis.Unordered = axis.Unordered || !knob.IsNumber(t)
	}
	if len(seen) < 2 || axis.Unordered {
		return axis, len(seen) > 1
	}
	numbers := make([]float64, len(texts))
	for i, t := range texts {
		numbers[i], _ = strconv.ParseFloat(t, 64) // knob.IsNumber has checked it
	}
	scaled(numbers)
	axis.At = numbers
	return axis, true
}

// logScale is the factor from which on numbers are on a logarithmic scale.
const logScale = 4

// scaled maps numbers to 0-1. On a logarithmic scale, values at or below 0 are a step below the smallest other one.
func scaled(v []float64) {
	least, most := math.Inf(1), slices.Max(v)
	for _, x := range v {
		if x > 0 {
			least = min(least, x)
		}
	}
	if slices.Min(v) >= 0 && most >= logScale*least {
		zero := math.Log(least / 2)
		for i, x := range v {
			if v[i] = zero; x > 0 {
				v[i] = math.Log(x)
			}
		}
	}
	low, high := slices.Min(v), slices.Max(v)
	for i := range v {
		v[i] = (v[i] - low) / (high - low)
	}
}
