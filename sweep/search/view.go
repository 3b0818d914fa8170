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

// pointKey identifies a point. The rate is not part of it if the question is capacity, because then
// it is what is searched.
type pointKey struct {
	settings knob.Settings
	load     load.Spec
}

func (pr *predictor) keyOf(s knob.Settings, l load.Spec) pointKey {
	if pr.plan.Question.SeeksRate() {
		l.Rate = 0
	}
	return pointKey{s, l}
}

// loadTest is a point with the trials of its load test.
type loadTest struct {
	point  int
	trials []trial.Trial
	failed bool // a trial broke the promise or a constraint
	rates  rateSearch
}

// last returns the trial whose figures are used.
func (t loadTest) last() trial.Trial { return t.trials[len(t.trials)-1] }

// view is the state of a search: the predictions, the load tests and what they say about the
// predictions. It depends only on the history.
type view struct {
	*predictor
	history    trial.History
	simulator  *simulator // nil if predictions are not possible
	forecasts  []forecast
	tests      []loadTest // in the order of their first trials
	controls   int
	disturbed  int // number of trials that are ignored because other programs disturbed them
	unfinished int // index of the test with an unfinished rate search, -1 if there is none

	rate, value, score *calibration // corrections of the predicted figures
	estimates          *estimates   // what the tests alone predict; nil with a simulator, or without tests
}

// view computes the state from a history.
func (pr *predictor) view(found trial.History) *view {
	v := &view{predictor: pr, history: found, unfinished: -1}
	if v.simulator = pr.simulatorFor(found.Probes); v.simulator != nil {
		v.forecasts = pr.cachedForecasts
	}
	for i, t := range found.Trials {
		p, inPlan := pr.index[pr.keyOf(t.Settings, t.Load)]
		if !inPlan || t.Role == trial.RoleLive || t.Role == trial.RoleValidation {
			continue
		}
		if v.skipDisturbed(t) {
			continue
		}
		if t.Role == trial.RoleControl {
			v.controls++
		}
		at := slices.IndexFunc(v.tests, func(x loadTest) bool { return x.point == p })
		if at < 0 {
			at = len(v.tests)
			v.tests = append(v.tests, loadTest{point: p})
		}
		v.addTrial(at, found.Trials[i])
	}
	switch {
	case v.simulator != nil:
		v.calibrate()
	case pr.unprobed:
		v.estimates = newEstimates(v)
	}
	return v
}

// maxDisturbed is the number of disturbed trials that are repeated. More are not: the machine may
// stay busy.
const maxDisturbed = 3

// skipDisturbed reports whether a trial is ignored, because it is undecided and other programs
// disturbed it. Its point counts as untried.
func (v *view) skipDisturbed(t trial.Trial) bool {
	if !t.Disturbed() || t.Verdict.Result != trial.Undecided || t.Verdict.Leaning == trial.Pass || v.disturbed == maxDisturbed {
		return false
	}
	v.disturbed++
	return true
}

// addTrial adds a trial to a test.
func (v *view) addTrial(at int, t trial.Trial) {
	x := &v.tests[at]
	x.trials = append(x.trials, t)
	broken := t.Verdict.Likely() == trial.Fail && v.plan.Question == plan.Throughput
	x.failed = x.failed || broken || v.rules.Exceeds(t)
	if !v.plan.Question.SeeksRate() {
		return
	}
	x.rates = v.evaluateRates(x.point, x.trials, v.highestOther(at))
	if v.unfinished = -1; !x.rates.done {
		v.unfinished = at
	}
}

// highestOther returns the highest rate that passed in all tests except one.
func (v *view) highestOther(but int) float64 {
	best := 0.0
	for i, x := range v.tests {
		if i != but && !x.failed && !v.everyPoint {
			best = max(best, x.rates.low)
		}
	}
	return best
}

// kernel returns the data for the covariance of the points' residuals.
func (v *view) kernel() kernel {
	s := kernel{points: v.points, relativeRate: make([]float64, len(v.points)), uncertainty: make([]float64, len(v.points))}
	most := 0.0
	for _, f := range v.forecasts {
		most = max(most, f.rate)
	}
	for i, f := range v.forecasts {
		s.uncertainty[i] = f.uncertainty
		if most > 0 {
			s.relativeRate[i] = f.rate / most
		}
	}
	return s
}

// percentileScale is the uncertainty of predicted percentiles relative to that of rates, before the
// first test: the simulator has no stalls.
const percentileScale = 2

// calibrate fits the corrections of the predictions to the tests.
func (v *view) calibrate() {
	var rate, value, scores []residual
	for _, x := range v.tests {
		f := v.forecasts[x.point]
		if v.plan.Question.SeeksRate() {
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
		scores = append(scores, residual{x.point, v.scoreOf(x) - v.expectedScore(x.point, f.rate, f.value), rate[len(rate)-1].sd})
	}
	s := v.kernel()
	v.rate, v.value = calibrate(s, 1, rate), calibrate(s, percentileScale, value)
	v.score = v.rate
	if v.hasOwnScore() {
		v.score = calibrate(s, 1, centred(scores))
	}
}

// noise returns the standard deviation of the logarithm of a figure, from its 95% interval, limited
// to minimum and maximum.
func noise(value, low, high trial.Num, minimum, maximum float64) float64 {
	x, ok := value.Get()
	if !ok || x <= 0 {
		return maximum
	}
	half := max(high.Or(x*(1+maximum))-x, x-low.Or(x*(1-maximum)))
	return min(max(half/x/1.96, minimum), maximum)
}

// hasOwnScore reports whether points are not compared by their rate alone.
func (v *view) hasOwnScore() bool {
	return v.plan.Question == plan.Throughput &&
		(v.plan.Objective != plan.MostThroughput || slices.ContainsFunc(v.points, func(p plan.Point) bool { return p.Load.Mode != load.Closed }))
}

// centred subtracts the mean of the residuals. It is for figures that can be predicted only up to a
// constant factor.
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

// Weights in the score, which is a logarithm.
const (
	scorePerDoubling = 10. // per doubling of the workers, if the objective is the fewest workers
	scorePerLatency  = .2  // of the percentile, if the load determines the throughput
)

// expectedScore returns the score of a point with these figures. Differences of scores are
// differences of log(throughput).
func (v *view) expectedScore(point int, rate, value float64) float64 {
	score := math.Log(rate)
	p := v.points[point]
	if p.Load.Mode != load.Closed && v.plan.Question == plan.Throughput {
		score -= scorePerLatency * math.Log(value)
	}
	if v.plan.Objective == plan.FewestWorkers {
		score -= scorePerDoubling * math.Log2(float64(p.Settings.Workers))
	}
	return score
}

// scoreOf returns the score of a test.
func (v *view) scoreOf(x loadTest) float64 {
	if v.plan.Question.SeeksRate() {
		return v.expectedScore(x.point, x.rates.estimate, 1) // the estimate and not low, which is always lower, because predictions are estimates too
	}
	t := x.last()
	if v.plan.Objective == plan.RequestsPerJoule {
		if each, ok := rank.PerJoule(t).Get(); ok {
			return math.Log(each)
		}
	}
	return v.expectedScore(x.point, t.Throughput.Value.Or(0), t.Verdict.ValueMS.Or(math.Inf(1)))
}

// bestTest returns the index of the test with the highest score that keeps the promise, -1 if there
// is none.
func (v *view) bestTest() int {
	best, most := -1, math.Inf(-1)
	for i, x := range v.tests {
		kept := slices.ContainsFunc(x.trials, v.rules.Meets)
		if v.plan.Question.SeeksRate() {
			kept = x.rates.low > 0
		}
		if score := v.scoreOf(x); kept && !x.failed && score > most {
			best, most = i, score
		}
	}
	return best
}

// expectation is the corrected prediction of a point without a test.
type expectation struct {
	point int
	pass  float64 // probability that the point keeps the promise
	score float64
	sd    float64 // of score
	rate  float64 // requests/s
	value float64 // ms

	rateSD, valueSD float64 // of their logarithms
}

// expectation predicts a point and corrects the prediction with the tests.
func (v *view) expectation(point int) expectation {
	if v.estimates != nil {
		return v.estimates.expectation(v, point)
	}
	f := v.forecasts[point]
	r, p, w := v.rate.posterior(point), v.value.posterior(point), v.score.posterior(point)
	out := expectation{
		point: point, pass: 1, sd: w.sd, rateSD: r.sd, valueSD: p.sd,
		rate: f.rate * math.Exp(r.mean), value: f.value * math.Exp(p.mean),
		score: v.expectedScore(point, f.rate, f.value) + w.mean,
	}
	switch l := v.points[point].Load; {
	case v.plan.Question.SeeksRate():
		out.value = f.value
	case l.Mode == load.Open:
		out.rate = min(out.rate, l.Rate)
	}
	limit := float64(v.plan.SLA.Limit) / 1e6
	switch {
	case !(f.rate > 0) || !(f.value > 0):
		out.pass, out.score = 0, math.Inf(-1)
	case v.plan.Question == plan.Throughput:
		out.pass = normalCDF((math.Log(limit) - math.Log(out.value)) / p.sd)
	}
	if f.overloaded {
		out.pass = 0
	}
	if f.refused > v.plan.SLA.MaxErrorRate {
		out.pass *= .05 // the refusals of a full queue do not scale with the service times
	}
	return out
}

// expectedGain returns the expected improvement over a score, times the probability to keep the
// promise.
func (e expectation) expectedGain(score float64) float64 {
	if math.IsInf(e.score, -1) {
		return 0
	}
	z := (e.score - score) / e.sd
	return e.pass * ((e.score-score)*normalCDF(z) + e.sd*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi))
}

// normalCDF is the distribution function of the standard normal distribution.
func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
