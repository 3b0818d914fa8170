package plan

import (
	"math"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// Estimate is the expected time of a plan's points, for people who decide whether to
// start. It does not depend on the model.
type Estimate struct {
	Trial time.Duration // of the longest measurement, without the change before it
	Total time.Duration // of all points, the changes between them and one validation, within the budget
	Fits  int           // number of points that fit into the budget; all of them if there is none
}

// Expected times of measurements without a fixed length, with their warm-up. With a time budget each
// point gets an equal share of it, after a part is reserved for the validation of the best point.
const (
	minCertainTrial = 3 * time.Second         // shortest measurement with a certain verdict
	maxCertainTrial = 20 * time.Second        // after this an undecided measurement ends
	minTrial        = 1500 * time.Millisecond // shortest measurement, also with a small budget
	pointsShare     = 0.85                    // of the budget; the rest is for the validation
	tailRequests    = 30                      // requests above the percentile that a useful interval needs
	rateTrialTime   = 5 * time.Second         // measurement at a rate near the highest
	ratesTimesTwo   = 5                       // twice the number of rates measured for a setting
	serverStartTime = 2 * time.Second         // start of a server for one setting
)

// loadTests returns how many of n points are measured until their verdict.
func (p Plan) loadTests(n int) int {
	if p.Budget.LoadTests > 0 {
		return min(n, p.Budget.LoadTests)
	}
	return n
}

// Estimate returns the expected time of the points in their order. It assumes that a
// trial without a fixed length needs 30 requests above the percentile, at the rate of an
// open load, or the rate of a closed load at which all latencies equal the limit.
func (p Plan) Estimate(points []Point) Estimate {
	var e Estimate
	for i, pt := range points {
		length := p.trialTime(pt.Load, p.loadTests(len(points)))
		length += p.Trial.Warmup
		total := length
		if p.Question.SeeksRate() {
			total = length * ratesTimesTwo / 2
		}
		if i > 0 {
			total += changeTime(points[i-1].Settings, pt.Settings)
			if p.NeedsFreshServer() && points[i-1].Settings != pt.Settings {
				total += serverStartTime
			}
		}
		tooLong := p.Budget.Time > 0 && e.Total+total > p.Budget.Time
		if tooLong || !fits(i, p.Budget.Trials) || !fits(i, p.Budget.LoadTests) {
			break
		}
		e.Trial = max(e.Trial, length)
		e.Total += total
		e.Fits++
	}
	e.Total += e.Trial // the validation
	if p.Budget.Time > 0 {
		e.Total = min(e.Total, p.Budget.Time)
	}
	return e
}

// fits reports whether one more than n is within a budget; 0 is no limit.
func fits(n, budget int) bool { return budget <= 0 || n < budget }

// trialTime returns the expected length of one of n measurements.
func (p Plan) trialTime(l load.Spec, n int) time.Duration {
	if l.Over > 0 {
		return l.Over // a ramp or a trace is measured to its end: a part of it would be another load
	}
	if p.Trial.Duration > 0 {
		return p.Trial.Duration
	}
	length := p.certainTime(l)
	if p.Budget.Time > 0 {
		share := time.Duration(float64(p.Budget.Time) * pointsShare / float64(n))
		length = min(length, max(share, minTrial))
	}
	return length
}

// certainTime returns the expected length of a measurement without a time budget.
func (p Plan) certainTime(l load.Spec) time.Duration {
	if p.Question.SeeksRate() {
		return rateTrialTime
	}
	rate := float64(l.Concurrency) / p.SLA.Limit.Seconds() // Little's law at the limit
	if l.Mode == load.Open {
		rate = l.Rate
	}
	if l.Mode == load.Trace || !(rate > 0) {
		return maxCertainTrial
	}
	if n := p.Trial.Requests; n > 0 {
		return seconds(float64(n) / rate)
	}
	requests := tailRequests / (1 - p.SLA.Percentile/100)
	length := min(max(seconds(requests/rate), minCertainTrial), maxCertainTrial)
	if n := p.Trial.MaxRequests; n > 0 {
		length = min(length, seconds(float64(n)/rate))
	}
	return length
}

// changeTime returns the expected time of a change of settings, by the highest cost of
// the knobs that differ. The cost of a target's own knobs is unknown here; the
// estimate uses Warm.
func changeTime(from, to knob.Settings) time.Duration {
	cost := knob.Hot
	if from.Own != to.Own {
		cost = knob.Warm
	}
	for _, k := range knob.All() {
		if from.Get(k.Name) != to.Get(k.Name) {
			cost = max(cost, k.Cost)
		}
	}
	return []time.Duration{
		knob.CostUnreported: 2 * time.Second, // no knob of the seven has it

		knob.Hot: 10 * time.Millisecond, knob.Warm: 500 * time.Millisecond, knob.Reload: 2 * time.Second,
	}[cost]
}

// seconds converts s to a duration of at most a day, which avoids an overflow.
func seconds(s float64) time.Duration {
	return time.Duration(math.Min(s, 86400) * float64(time.Second))
}
