package search

import (
	"fmt"
	"math"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// The search for the highest rate of one setting.
const (
	maxRates            = 5     // trials of one search
	maxUnpredictedRates = 12    // likewise, without predictions
	rateTolerance       = .03   // the search ends when the highest rate is known with this relative error
	firstShare          = .975  // of the predicted rate, for the first trial: a pass is more useful than a failure
	stepUp              = 1.25  // largest factor after a rate that passed
	unpredictedStep     = 4     // factor without predictions
	stepDown            = .7    // smallest factor after a rate that did not pass
	minRate             = .01   // requests/s
	unpredictedStart    = 10    // first rate without predictions, if no throughput could be probed
	probeClients        = 8     // of the probe of the throughput from which rates without predictions start
	startShare          = .5    // of that throughput: Poisson arrivals near the capacity wait long
	floorShare          = .02   // a lower share of that throughput is not tried: requests hardly wait for each other there
	ceilingFactor       = 4     // of that throughput: if even this rate has too few answers for a verdict, the trials are too short
	closeUndecided      = 1.5   // nothing is tried between two rates that are closer, if too few answers decide neither
	clearlyWithin       = .9    // an undecided trial with a percentile below this share of the limit is no reason for a lower rate
	minImprovement      = 1.008 // a setting is not searched further if its highest rate cannot exceed the best one by this factor
)

// rateSearchOutline says how the highest rate of a setting is searched.
func (pr *predictor) rateSearchOutline() string {
	most, from := maxRates, "the predicted one"
	if pr.noPrediction != "" {
		most, from = maxUnpredictedRates, fmt.Sprintf("%.0f%% of the throughput of %d clients, or the best so far,", 100*startShare, probeClients)
	}
	return fmt.Sprintf("up to %d rates a setting, from %s on, until the highest that passes is known to %.0f%%", most, from, 100*rateTolerance)
}

// trialsFor estimates the number of trials of this number of rate searches.
func (pr *predictor) trialsFor(searches int) int {
	if pr.noPrediction != "" {
		return searches * maxUnpredictedRates * 2 / 3
	}
	return searches * 5 / 2
}

// probesOutline says what is probed before the rate searches.
func (pr *predictor) probesOutline() []string {
	if pr.noPrediction != "" {
		return []string{pr.noPrediction}
	}
	return pr.prober.outline()
}

// rateSearch is the state of the search for one setting's highest rate.
type rateSearch struct {
	low      float64 // highest rate that passed, 0 if none did
	high     float64 // lowest rate that did not pass, +Inf if all did
	estimate float64 // of the highest rate that passes, from percentiles and the simulator; 0 is unknown
	next     float64 // the rate to try next
	step     float64 // smallest relative change to the next rate; it doubles with every trial
	done     bool

	unpredicted bool    // without predictions: the first rate is arbitrary
	floor       float64 // without predictions: no lower rate is tried
	ceiling     float64 // without predictions: no higher rate is tried because the lower ones have too few answers
	tooFew      float64 // without predictions: highest rate with too few answers for a verdict; a lower one has even fewer
	most        float64 // the largest rate that the target may get; +Inf is no limit
}

// maxTrials returns the largest number of trials of the search.
func (r rateSearch) maxTrials() int {
	if r.unpredicted {
		return maxUnpredictedRates
	}
	return maxRates
}

// uncertainty returns the standard deviation of log(estimate).
func (r rateSearch) uncertainty() float64 {
	if r.low > 0 && r.high <= r.low*(1+2*rateTolerance) {
		return .012
	}
	return .03
}

// evaluateRates evaluates the trials of one setting. bestOther is the highest rate of another
// setting: the search ends when the setting cannot exceed it by minImprovement.
func (v *view) evaluateRates(point int, trials []trial.Trial, bestOther float64) rateSearch {
	r := rateSearch{high: math.Inf(1), step: rateTolerance, unpredicted: v.noPrediction != "", most: v.mostRate()}
	r.floor, r.ceiling = v.rateLimits(v.points[point].Settings)
	sum, n := 0.0, 0
	undecidedRate := math.Inf(1) // lowest rate with an undecided trial clearly within the limit
	nearLimit := false           // whether a trial was undecided with a percentile within the limit, but not clearly
	tooFewAnswers := false       // whether a trial had too few answers for a percentile: a lower rate has even fewer
	for _, t := range trials {   // repeated trials of a rate count separately
		n++
		value, measured := t.Verdict.ValueMS.Get()
		switch within := measured && value <= t.Verdict.LimitMS; {
		case t.Verdict.Likely() == trial.Pass: // evaluated below, when the lowest rate that failed is known
		case r.unpredicted && hasTooFewAnswers(t):
			r.tooFew = max(r.tooFew, t.Load.Rate)
		case t.Verdict.Likely() == trial.Undecided && measured && value <= clearlyWithin*t.Verdict.LimitMS:
			undecidedRate = min(undecidedRate, t.Load.Rate) // too short for a verdict, and a bound only if no rate passes
		case t.Verdict.Likely() == trial.Undecided && within:
			nearLimit = true
			r.high = min(r.high, t.Load.Rate*minImprovement)
		case t.Verdict.Result == trial.Undecided && !measured && v.simulator != nil && t.Error == "":
			tooFewAnswers = true
			r.high = min(r.high, t.Load.Rate)
		default:
			r.high = min(r.high, t.Load.Rate)
		}
		if f, ok := v.timeFactor(point, t); ok {
			sum += math.Log(f)
		}
	}
	for _, t := range trials {
		if t.Verdict.Likely() == trial.Pass && t.Load.Rate < r.high {
			r.low = max(r.low, t.Load.Rate)
		}
	}
	switch {
	case r.unpredicted && r.low > 0: // a rate with more answers than one that passed was undecided for another reason
		for _, t := range trials {
			if t.Load.Rate > r.low && hasTooFewAnswers(t) {
				r.high = min(r.high, t.Load.Rate)
			}
		}
	case r.low == 0 && !r.unpredicted:
		r.high = min(r.high, undecidedRate*minImprovement)
	}
	r.estimate = v.estimateRate(point, math.Exp(sum/float64(max(n, 1))), r)
	r.step *= math.Pow(2, float64(max(n-1, 0)))
	r.setNext(n, nearLimit, bestOther)
	if v.simulator == nil || r.low > 0 {
		return r
	}
	if !(v.forecasts[point].rate > 0) {
		r.next = min(r.next, r.high/4)
	}
	r.done = r.done || tooFewAnswers || v.whyImpossible(point) != "" || r.next < minLoadShare*v.capacity(point)
	return r
}

// setNext sets the next rate, or done, after n trials.
func (r *rateSearch) setNext(n int, nearLimit bool, bestOther float64) {
	switch {
	case r.unpredicted && r.low == 0:
		r.setFirst(n, bestOther)
		return
	case r.unpredicted && math.IsInf(r.high, 1):
		r.next = r.low * unpredictedStep
	case r.low == 0:
		r.next = min(max(r.estimate*firstShare, r.high*stepDown), r.high*(1-r.step))
	case math.IsInf(r.high, 1):
		r.next = max(min(r.estimate, r.low*stepUp), r.low*(1+r.step))
	default:
		r.next = min(max(r.estimate, r.low+(r.high-r.low)/4), r.high-(r.high-r.low)/4)
	}
	r.next = min(r.next, r.most)
	r.done = n >= r.maxTrials() || r.low >= r.most || r.low > 0 && (nearLimit || r.high <= r.low*(1+rateTolerance)) ||
		min(r.next*minImprovement, r.high) < bestOther*minImprovement
}

// setFirst sets the next rate, or done, after n trials of which none passed, without predictions: a lower one, or a
// higher one if the lower ones have too few answers.
func (r *rateSearch) setFirst(n int, bestOther float64) {
	switch {
	case r.tooFew == 0:
		r.next = max(r.high/unpredictedStep, r.floor)
	case math.IsInf(r.high, 1):
		r.next = r.tooFew * unpredictedStep
	default:
		r.next = math.Sqrt(r.tooFew * r.high)
	}
	r.next = min(r.next, r.most)
	if r.tooFew > 0 {
		r.next = min(r.next, r.ceiling)
	}
	r.done = n >= r.maxTrials() || r.high <= r.floor || r.tooFew >= .99*min(r.most, r.ceiling) || // rates are rounded
		r.high <= closeUndecided*r.tooFew ||
		min(r.next*minImprovement, r.high) < bestOther*minImprovement
}

// hasTooFewAnswers reports whether the trial is undecided, and a longer one of the same kind could pass.
func hasTooFewAnswers(t trial.Trial) bool {
	if t.Verdict.Likely() != trial.Undecided || t.Error != "" || t.Counts.OK == 0 || t.Counts.Errors() > 0 {
		return false
	}
	value, measured := t.Verdict.ValueMS.Get()
	if !measured { // under 100 answers there is no P99
		value, _ = t.Latency.P50.Value.Get()
	}
	return value <= clearlyWithin*t.Verdict.LimitMS
}

// throughputProbe returns the probe of the throughput of settings, false if there is none.
func (v *view) throughputProbe(s knob.Settings) (trial.Probe, bool) {
	for _, p := range v.history.Probes {
		if p.Settings == s {
			return p, true
		}
	}
	return trial.Probe{}, false
}

// rateLimits returns the lowest rate at which settings are tried without predictions, and the highest one that is
// tried because lower ones have too few answers.
func (v *view) rateLimits(s knob.Settings) (floor, ceiling float64) {
	p, _ := v.throughputProbe(s)
	if probed, ok := p.Throughput.Get(); ok {
		return max(probed*floorShare, minRate), probed * ceilingFactor
	}
	return minRate, math.Inf(1)
}

// estimateRate estimates the highest rate at which a setting keeps the promise if its batches take
// factor times the predicted time. The estimate stays between the rates that passed and failed.
func (v *view) estimateRate(point int, factor float64, r rateSearch) float64 {
	low, high := r.low*.98, r.high*1.02
	if v.simulator == nil || v.forecasts[point].rate <= 0 {
		return max(math.Sqrt(r.low*min(r.high, 4*r.low)), low)
	}
	k := rateKey{point, factor}
	rate, cached := v.highestRates[k]
	if !cached {
		c, _ := v.simulator.curve(groupOf(v.points[point].Settings))
		rate = v.simulator.simulate(v.points[point], c.Scaled(factor), simulatedIfTested).rate
		v.highestRates[k] = rate
	}
	return min(max(rate, low), high)
}

// rateKey is a point and the factor of its service times.
type rateKey struct {
	point  int
	factor float64
}

// trialKey is a trial of a point.
type trialKey struct{ point, n int }

// timeFactor returns the factor of the service times at which the simulator, with the same
// arrivals, has the percentile of a trial. Because the arrivals are the same, their randomness has
// no effect on the factor.
func (v *view) timeFactor(point int, t trial.Trial) (float64, bool) {
	value, ok := t.Verdict.ValueMS.Get()
	if v.simulator == nil || !ok || value <= 0 || t.Error != "" {
		return 1, false
	}
	k := trialKey{point, t.N}
	if f, cached := v.timeFactors[k]; cached {
		return f, true
	}
	const least, most, steps = .5, 2., 9
	low, high := math.Log(least), math.Log(most)
	c, _ := v.simulator.curve(groupOf(t.Settings))
	p := v.points[point]
	p.Load = t.Load
	total := time.Duration((t.Seconds + t.WarmupSeconds) * float64(time.Second))
	config := v.simulator.simConfig(p, c)
	config.Warm = time.Duration(t.WarmupSeconds * float64(time.Second))
	config.Plan = load.Plan(t.Load, t.Seed, max(total, time.Second), t.Counts.Sent*2+minSimulated)
	for range steps {
		mid := (low + high) / 2
		config.Service = c.Scaled(math.Exp(mid))
		v.simulator.prepare(config)
		v.simulator.run.Reset(config)
		v.simulator.run.Run()
		if v.simulator.promise().Value(v.simulator.run) > value {
			high = mid
		} else {
			low = mid
		}
	}
	f := math.Exp((low + high) / 2)
	v.timeFactors[k] = f
	return f, true
}

// startRateSearch returns the first trial of a point's search: at the predicted rate, or just above
// the best rate so far, because a lower one would not help.
func (v *view) startRateSearch(point int, why string) plan.Point {
	o := expectation{point: point, rate: unpredictedStart}
	switch probe, probed := v.throughputProbe(v.points[point].Settings); {
	case v.simulator != nil:
		o = v.expectation(point)
	case v.noPrediction != "" && !probed && (v.everyPoint || v.highestOther(-1) == 0):
		return v.probePoint(point, why)
	default:
		o.rate = probe.Throughput.Or(unpredictedStart/startShare) * startShare
	}
	noRate := v.simulator != nil && !(o.rate > 0)
	if noRate {
		o.rate = lowLoadShare * v.capacity(point)
	}
	rate := max(o.rate, minRate) * firstShare
	for _, x := range v.tests {
		if !x.failed && !v.everyPoint {
			rate = max(rate, x.rates.low*1.012)
		}
	}
	p := v.atRate(point, min(rate, v.mostRate()))
	switch {
	case v.simulator == nil:
		p.Reason = joinSentences(why, v.points[point].Reason)
		return p
	case noRate:
		p.Reason = joinSentences("no rate is predicted to keep the promise, so it starts at a low one;", why, v.points[point].Reason)
		return p
	}
	p.Predicted.HighestRPS = trial.NumOf(o.rate)
	p.Reason = joinSentences(fmt.Sprintf("predicted to serve %.0f/s, %s; %s", o.rate, v.rankText(o), why), v.points[point].Reason)
	return p
}

// probePoint returns the probe of the throughput of a point, from which its search starts.
func (v *view) probePoint(point int, why string) plan.Point {
	p := v.points[point]
	p.Role, p.Load = trial.RoleProbe, load.Spec{Mode: load.Closed, Concurrency: probeClients}
	p.Reason = joinSentences(fmt.Sprintf("the throughput of %d clients, from which the search for the highest rate starts;", probeClients), why)
	return p
}

// nextRate returns the next trial of the unfinished search.
func (v *view) nextRate() plan.Point {
	x := v.tests[v.unfinished]
	return v.anotherRate(x, x.rates.next, x.rates.bounds())
}

// anotherRate returns one more trial of a test.
func (v *view) anotherRate(x loadTest, rate float64, why string) plan.Point {
	p := v.atRate(x.point, rate)
	if first := x.trials[0].Predicted; first != nil {
		p.Predicted.HighestRPS = first.HighestRPS
	}
	p.Reason = fmt.Sprintf("rate %d of at most %d: %s", len(x.trials)+1, x.rates.maxTrials(), why)
	return p
}

// bounds says between which rates the highest one is.
func (r rateSearch) bounds() string {
	unbounded := math.IsInf(r.high, 1)
	switch {
	case r.tooFew > 0 && r.low == 0 && unbounded:
		return fmt.Sprintf("above %.4g/s, which had too few answers for a verdict", r.tooFew)
	case r.tooFew > 0 && r.low == 0:
		return fmt.Sprintf("between %.4g/s, which had too few answers for a verdict, and %.4g/s, which did not pass", r.tooFew, r.high)
	case r.low == 0:
		return fmt.Sprintf("below %.4g/s, which did not pass", r.high)
	case unbounded:
		return fmt.Sprintf("above %.4g/s, which passed", r.low)
	}
	return fmt.Sprintf("between %.4g/s, which passed, and %.4g/s, which did not", r.low, r.high)
}

// mostRate returns the largest rate that the target may get; +Inf is no limit.
func (v *view) mostRate() float64 {
	if v.plan.MaxRate > 0 {
		return min(plan.RoundRate(v.plan.MaxRate), v.plan.MaxRate)
	}
	return math.Inf(1)
}

// atRate returns a point with this rate.
func (v *view) atRate(point int, rate float64) plan.Point {
	p := v.points[point]
	p.Load.Rate = min(plan.RoundRate(rate), v.mostRate())
	p.Predicted = &trial.Predicted{ThroughputRPS: trial.NumOf(p.Load.Rate)}
	return p
}
