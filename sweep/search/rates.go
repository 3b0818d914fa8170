package search

import (
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// The search for the highest rate of one setting.
const (
	mostRates   = 5 // trials of one search
	mostBlind   = 12 // likewise, without predictions
	bracketed   = .03 // the search ends when the highest rate is known with this relative error
	firstShare  = .975 // of the predicted rate, for the first trial: a pass is more useful than a failure
	stepUp      = 1.25 // largest factor after a rate that passed
	stepBlind   = 4 // factor without predictions
	stepDown    = .7 // smallest factor after a rate that did not pass
	leastRate   = .01 // requests/s
	unknownRate = 10 // first rate without predictions
	wellWithin  = .9 // an undecided trial with a percentile below this share of the limit is no reason for a lower rate
	worthTrying = 1.008 // a setting is not searched further if its highest rate cannot exceed the best one by this factor
)

// rateSearchOutline says how the highest rate of a setting is searched.
func (o *oracle) rateOutline() string {
	most, from := mostRates, "the predicted one"
	if o.blind != "" {
		most, from = mostBlind, fmt.Sprintf("%d/s or the best so far", unknownRate)
	}
	return fmt.Sprintf("up to %d rates a setting, from %s on, until the highest that passes is known to %.0f%%", most, from, 100*bracketed)
}

// trialsFor estimates the number of trials of this number of rate searches.
func (o *oracle) trialsOf(searches int) int {
	if o.blind != "" {
		return searches * mostBlind * 2 / 3
	}
	return searches * 5 / 2
}

// probesOutline says what is probed before the rate searches.
func (o *oracle) ratesOutline() []string {
	if o.blind != "" {
		return []string{o.blind}
	}
	return o.scout.outline()
}

// rateSearch is the state of the search for one setting's highest rate.
type rates struct {
	low      float64 // highest rate that passed, 0 if none did
	high     float64 // lowest rate that did not pass, +Inf if all did
	estimate float64 // of the highest rate that passes, from percentiles and the simulator; 0 is unknown
	next     float64 // the rate to try next
	step     float64 // smallest relative change to the next rate; it doubles with every trial
	done     bool

	unguided bool // without predictions: the first rate is arbitrary
}

// maxTrials returns the largest number of trials of the search.
func (r rates) most() int {
	if r.unguided {
		return mostBlind
	}
	return mostRates
}

// uncertainty returns the standard deviation of log(estimate).
func (r rates) uncertainty() float64 {
	if r.low > 0 && r.high <= r.low*(1+2*bracketed) {
		return .012
	}
	return .03
}

// evaluateRates evaluates the trials of one setting. rival is the highest rate of another setting:
// the search ends when the setting cannot exceed it by minImprovement.
func (v *view) follow(point int, trials []trial.Trial, rival float64) rates {
	r := rates{high: math.Inf(1), step: bracketed, unguided: v.blind != ""}
	sum, n := 0.0, 0
	open := math.Inf(1) // lowest rate with an undecided trial clearly within the limit
	edge := false // whether a trial was undecided with a percentile within the limit, but not clearly
	blind := false // whether a trial had too few answers for a percentile: a lower rate has even fewer
	for _, t := range trials { // repeated trials of a rate count separately
		n++
		value, known := t.Verdict.ValueMS.Get()
		switch within := known && value <= t.Verdict.LimitMS; {
		case t.Verdict.Seems() == trial.Pass: // evaluated below, when the lowest rate that failed is known
		case t.Verdict.Seems() == trial.Undecided && known && value <= wellWithin*t.Verdict.LimitMS:
			open = min(open, t.Load.Rate) // too short for a verdict, and a bound only if no rate passes
		case t.Verdict.Seems() == trial.Undecided && within:
			edge = true
			r.high = min(r.high, t.Load.Rate*worthTrying)
		case t.Verdict.Result == trial.Undecided && !known && v.m != nil && t.Error == "":
			blind = true
			r.high = min(r.high, t.Load.Rate)
		default:
			r.high = min(r.high, t.Load.Rate)
		}
		if f, ok := v.factor(point, t); ok {
			sum += math.Log(f)
		}
	}
	for _, t := range trials {
		if t.Verdict.Seems() == trial.Pass && t.Load.Rate < r.high {
			r.low = max(r.low, t.Load.Rate)
		}
	}
	if r.low == 0 {
		r.high = min(r.high, open*worthTrying)
	}
	r.estimate = v.estimate(point, math.Exp(sum/float64(max(n, 1))), r)
	r.step *= math.Pow(2, float64(max(n-1, 0)))
	r.decide(n, edge, rival)
	if v.m == nil || r.low > 0 {
		return r
	}
	if !(v.forecasts[point].rate > 0) {
		r.next = min(r.next, r.high/4)
	}
	r.done = r.done || blind || v.impossible(point) != "" || r.next < stillShare*v.bears(point)
	return r
}

// setNext sets the next rate, or done, after n trials.
func (r *rates) decide(n int, edge bool, rival float64) {
	switch {
	case r.unguided && r.low == 0:
		r.next = r.high / stepBlind
	case r.unguided && math.IsInf(r.high, 1):
		r.next = r.low * stepBlind
	case r.low == 0:
		r.next = min(max(r.estimate*firstShare, r.high*stepDown), r.high*(1-r.step))
	case math.IsInf(r.high, 1):
		r.next = max(min(r.estimate, r.low*stepUp), r.low*(1+r.step))
	default:
		r.next = min(max(r.estimate, r.low+(r.high-r.low)/4), r.high-(r.high-r.low)/4)
	}
	r.done = n >= r.most() || r.low > 0 && (edge || r.high <= r.low*(1+bracketed)) ||
		min(r.next*worthTrying, r.high) < rival*worthTrying
}

// estimateRate estimates the highest rate at which a setting keeps the promise if its batches take
// factor times the predicted time. The estimate stays between the rates that passed and failed.
func (v *view) estimate(point int, factor float64, r rates) float64 {
	low, high := r.low*.98, r.high*1.02
	if v.m == nil || v.forecasts[point].rate <= 0 {
		return min(max(math.Sqrt(r.low*min(r.high, 4*r.low)), low), high*.9)
	}
	k := highestKey{point, factor}
	rate, known := v.highest[k]
	if !known {
		c, _ := v.m.curve(groupOf(v.points[point].Settings))
		rate = v.m.simulate(v.points[point], c.Scaled(factor), estimated).rate
		v.highest[k] = rate
	}
	return min(max(rate, low), high)
}

// rateKey is a point and the factor of its service times.
type highestKey struct {
	point  int
	factor float64
}

// trialKey is a trial of a point.
type factorKey struct{ point, n int }

// timeFactor returns the factor of the service times at which the simulator, with the same
// arrivals, has the percentile of a trial. Because the arrivals are the same, their randomness has
// no effect on the factor.
func (v *view) factor(point int, t trial.Trial) (float64, bool) {
	value, ok := t.Verdict.ValueMS.Get()
	if v.m == nil || !ok || value <= 0 || t.Error != "" {
		return 1, false
	}
	k := factorKey{point, t.N}
	if f, known := v.factors[k]; known {
		return f, true
	}
	const least, most, steps = .5, 2., 9
	low, high := math.Log(least), math.Log(most)
	c, _ := v.m.curve(groupOf(t.Settings))
	p := v.points[point]
	p.Load = t.Load
	total := time.Duration((t.Seconds + t.WarmupSeconds) * float64(time.Second))
	config := v.m.config(p, c)
	config.Warm = time.Duration(t.WarmupSeconds * float64(time.Second))
	config.Plan = load.Plan(t.Load, t.Seed, max(total, time.Second), t.Counts.Sent*2+simulated)
	for range steps {
		mid := (low + high) / 2
		config.Service = c.Scaled(math.Exp(mid))
		v.m.ready(config)
		v.m.sim.Reset(config)
		v.m.sim.Run()
		if v.m.promise().Value(v.m.sim) > value {
			high = mid
		} else {
			low = mid
		}
	}
	f := math.Exp((low + high) / 2)
	v.factors[k] = f
	return f, true
}

// startRateSearch returns the first trial of a point's search: at the predicted rate, or just above
// the best rate so far, because a lower one would not help.
func (v *view) begin(point int, why string) plan.Point {
	o := outlook{point: point, rate: unknownRate}
	if v.m != nil {
		o = v.outlook(point)
	}
	quiet := v.m != nil && !(o.rate > 0)
	if quiet {
		o.rate = quietShare * v.bears(point)
	}
	rate := max(o.rate, leastRate) * firstShare
	for _, x := range v.tests {
		if !x.failed && !v.whole {
			rate = max(rate, x.rates.low*1.012)
		}
	}
	p := v.atRate(point, rate)
	switch {
	case v.m == nil:
		p.Reason = join(why, v.points[point].Reason)
		return p
	case quiet:
		p.Reason = join("no rate is predicted to keep the promise, so it starts at a low one;", why, v.points[point].Reason)
		return p
	}
	p.Predicted.HighestRPS = trial.Of(o.rate)
	p.Reason = join(fmt.Sprintf("predicted to serve %.0f/s, %s; %s", o.rate, v.place(o), why), v.points[point].Reason)
	return p
}

// nextRate returns the next trial of the unfinished search.
func (v *view) goOn() plan.Point {
	x := v.tests[v.open]
	p := v.atRate(x.point, x.rates.next)
	if first := x.trials[0].Predicted; first != nil {
		p.Predicted.HighestRPS = first.HighestRPS
	}
	switch r := x.rates; {
	case r.low == 0:
		p.Reason = fmt.Sprintf("below %.4g/s, which did not pass", r.high)
	case math.IsInf(r.high, 1):
		p.Reason = fmt.Sprintf("above %.4g/s, which passed", r.low)
	default:
		p.Reason = fmt.Sprintf("between %.4g/s, which passed, and %.4g/s, which did not", r.low, r.high)
	}
	p.Reason = fmt.Sprintf("rate %d of at most %d: %s", len(x.trials)+1, x.rates.most(), p.Reason)
	return p
}

// atRate returns a point with this rate.
func (v *view) atRate(point int, rate float64) plan.Point {
	p := v.points[point]
	p.Load.Rate = plan.RoundRate(rate)
	p.Predicted = &trial.Predicted{ThroughputRPS: trial.Of(p.Load.Rate)}
	return p
}
