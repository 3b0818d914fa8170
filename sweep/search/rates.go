package search

import (
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// The search of the highest rate of one setting.
const (
	mostRates   = 5    // trials of one load test
	mostBlind   = 12   // likewise, where nothing could be predicted
	bracketed   = .03  // the highest rate is known to this share
	firstShare  = .975 // of the predicted rate, for the first trial: a pass is worth more than a failure
	stepUp      = 1.25 // at most, from a rate that passed
	stepBlind   = 4    // from one that passed, where nothing could be predicted
	stepDown    = .7   // at most, from one that failed
	leastRate   = .01
	unknownRate = 10    // the first rate where nothing could be predicted
	wellWithin  = .9    // of the limit: an open trial below says nothing against its rate
	worthTrying = 1.008 // a rate that is worth a trial of a setting beside the best one so far
)

// rateOutline says how a highest rate is looked for.
func (o *oracle) rateOutline() string {
	most, from := mostRates, "the predicted one"
	if o.blind != "" {
		most, from = mostBlind, fmt.Sprintf("%d/s or the best so far", unknownRate)
	}
	return fmt.Sprintf("up to %d rates a setting, from %s on, until the highest that passes is known to %.0f%%", most, from, 100*bracketed)
}

// trialsOf is how many trials so many searches of a highest rate take, about.
func (o *oracle) trialsOf(searches int) int {
	if o.blind != "" {
		return searches * mostBlind * 2 / 3
	}
	return searches * 5 / 2
}

// ratesOutline says what is probed before rates are looked for.
func (o *oracle) ratesOutline() []string {
	if o.blind != "" {
		return []string{o.blind}
	}
	return o.scout.outline()
}

// rates is how far the search of one setting's highest rate has come.
type rates struct {
	low      float64 // the highest that passed, 0 if none did
	high     float64 // the lowest that did not, +Inf if none
	estimate float64 // of the highest that passes, from percentiles and the simulator; 0 is unknown
	next     float64 // the rate to try next
	step     float64 // by which it is at least moved: twice as much after each trial
	done     bool

	unguided bool // nothing could be predicted: the first rate says nothing of the next
}

// most is how many trials a search has at most.
func (r rates) most() int {
	if r.unguided {
		return mostBlind
	}
	return mostRates
}

// uncertainty is the standard deviation of the logarithm of the estimate.
func (r rates) uncertainty() float64 {
	if r.low > 0 && r.high <= r.low*(1+2*bracketed) {
		return .012
	}
	return .03
}

// follow says where the trials of one setting lead. rival is the highest rate
// that another setting has reached: one that cannot do better than it by that much is not looked at
// any closer.
func (v *view) follow(point int, trials []trial.Trial, rival float64) rates {
	r := rates{high: math.Inf(1), step: bracketed, unguided: v.blind != ""}
	sum, n := 0.0, 0
	open := math.Inf(1)        // the lowest rate of a trial that was left open well within the limit
	edge := false              // a trial that could not be decided with a percentile within the limit
	blind := false             // one with too few answers: a lower rate has fewer still
	for _, t := range trials { // another look at a rate counts as any
		n++
		value, known := t.Verdict.ValueMS.Get()
		switch within := known && value <= t.Verdict.LimitMS; {
		case t.Verdict.Likely() == trial.Pass: // counts below, once the lowest rate that failed is known
		case t.Verdict.Likely() == trial.Undecided && known && value <= wellWithin*t.Verdict.LimitMS:
			open = min(open, t.Load.Rate) // too short to tell, but no bound unless nothing passed
		case t.Verdict.Likely() == trial.Undecided && within:
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
		if t.Verdict.Likely() == trial.Pass && t.Load.Rate < r.high {
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

// decide fills in what to try after n trials.
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

// estimate is the highest rate that a setting bears if its batches take factor
// times what was predicted, kept within what is known.
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

// highestKey is a point with batches so much longer than predicted.
type highestKey struct {
	point  int
	factor float64
}

// factorKey is a trial of a point.
type factorKey struct{ point, n int }

// factor is by how much the batches of a trial must have been longer than
// predicted, for the simulator to show its percentile under the very same
// arrivals. The luck of the arrivals is in both and falls out.
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

// begin begins the rate search of a point: at the rate that is predicted for
// it, or just above the best so far, where it has to pass to matter.
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
		p.Reason = join("predicted to bear no rate, so a low one;", why, v.points[point].Reason)
		return p
	}
	p.Predicted.HighestRPS = trial.NumOf(o.rate)
	p.Reason = join(fmt.Sprintf("predicted to bear %.0f/s, %s; %s", o.rate, v.place(o), why), v.points[point].Reason)
	return p
}

// goOn is the next rate of the setting whose search goes on.
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

// atRate is a point at a rate.
func (v *view) atRate(point int, rate float64) plan.Point {
	p := v.points[point]
	p.Load.Rate = plan.RoundRate(rate)
	p.Predicted = &trial.Predicted{ThroughputRPS: trial.NumOf(p.Load.Rate)}
	return p
}
