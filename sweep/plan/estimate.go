package plan

import (
	"math"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// Estimate is what a plan's points are expected to take, for people who decide
// whether to start. It knows nothing of the model yet.
type Estimate struct {
	Trial time.Duration // of the longest single measurement, without the change before it
	Total time.Duration // of all points, the changes between them and one validation, within the budget
	Fits  int           // points that fit the budget; all of them if none is set
}

// How long measurements take that end by themselves, warm-up included. Under a
// budget of time each point gets an equal share, less what the validation of
// the best one is kept back for.
const (
	minCertainTrial    = 3 * time.Second         // what certainty takes at any rate
	maxCertainTrial  = 20 * time.Second        // undecided for good
	minTrial = 1500 * time.Millisecond // the least a share buys
	pointsShare   = 0.85
	tailRequests      = 30              // requests beyond the percentile before its interval is of use
	rateTrialTime     = 5 * time.Second // at a rate near the highest
	ratesTimesTwo    = 5               // halves: two and a half rates a setting
	serverStartTime     = 2 * time.Second // a server of its own for a setting
)

// tests is how many of n points are taken to their verdict.
func (p Plan) loadTests(n int) int {
	if p.Budget.LoadTests > 0 {
		return min(n, p.Budget.LoadTests)
	}
	return n
}

// Estimate returns the expected time of the points in their order. A trial that
// ends when its verdict is certain is taken to need 30 requests beyond the
// percentile, at the rate at which its load would just keep the promise.
func (p Plan) Estimate(points []Point) Estimate {
	var e Estimate
	for i, pt := range points {
		length := p.trialTime(pt.Load, p.loadTests(len(points)))
		took := length
		if p.Question == Capacity {
			took = length * ratesTimesTwo / 2
		}
		if i > 0 {
			took += changeTime(points[i-1].Settings, pt.Settings)
			if p.NeedsFreshServer() && points[i-1].Settings != pt.Settings {
				took += serverStartTime
			}
		}
		over := p.Budget.Time > 0 && e.Total+took > p.Budget.Time
		if over || !fits(i, p.Budget.Trials) || !fits(i, p.Budget.LoadTests) {
			break
		}
		e.Trial = max(e.Trial, length)
		e.Total += took
		e.Fits++
	}
	e.Total += e.Trial // the validation
	if p.Budget.Time > 0 {
		e.Total = min(e.Total, p.Budget.Time)
	}
	return e
}

// within tells whether one more than n stays within a budget, 0 being none.
func fits(n, budget int) bool { return budget <= 0 || n < budget }

// trialTime is the expected length of one of n measurements.
func (p Plan) trialTime(l load.Spec, n int) time.Duration {
	if l.Over > 0 {
		return l.Over // a ramp or a trace: a part of it would be another load
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

// untilCertain is the expected length of a measurement that nothing hurries.
func (p Plan) certainTime(l load.Spec) time.Duration {
	if p.Question == Capacity {
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
	tail := tailRequests / (1 - p.SLA.Percentile/100)
	length := min(max(seconds(tail/rate), minCertainTrial), maxCertainTrial)
	if most := p.Trial.MaxRequests; most > 0 {
		length = min(length, seconds(float64(most)/rate))
	}
	return length
}

// changeTime is the expected time from one setting to the next, by the dearest
// knob that differs. What a change of a target's own knobs costs is not known here; a
// warm one is taken for it.
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
		knob.Hot: 10 * time.Millisecond, knob.Warm: 500 * time.Millisecond, knob.Reload: 2 * time.Second,
	}[cost]
}

// seconds is a duration of at most a day: nobody plans further.
func seconds(s float64) time.Duration {
	return time.Duration(math.Min(s, 86400) * float64(time.Second))
}
