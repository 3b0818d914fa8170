package search

import (
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// testShare is the part of a budget's time that load tests get: probes and the
// validation have theirs.
const testShare = .6

// Cost is what it takes to see a promise kept once.
type Cost struct {
	Percentile float64
	Answers    int           // that a pass takes, about
	Rate       float64       // answers a second, at most; 0 is not known
	Budget     time.Duration // of the whole sweep; 0 is none, and of no account in virtual time
	Most       int           // requests of one trial; 0 is no limit
}

// CostOf is the cost of the plan's promise, by what its probes and trials say of
// the model's speed.
func CostOf(p plan.Plan, found trial.History) Cost {
	c := Cost{
		Percentile: p.SLA.Percentile, Answers: stat.Needed(p.SLA.Percentile / 100),
		Rate: found.MaxRate(), Budget: p.Budget.Time, Most: p.Trial.MaxRequests,
	}
	if p.Target == "virtual" {
		c.Budget = 0 // is of real time
	}
	slowest := 0.0
	for _, l := range p.Loads {
		if l.Mode == load.Open && p.Question == plan.Throughput && (slowest == 0 || l.Rate < slowest) {
			slowest = l.Rate
		}
	}
	if slowest > 0 && (c.Rate <= 0 || slowest < c.Rate) {
		c.Rate = slowest
	}
	return c
}

// Known tells whether it can be told how long the answers take.
func (c Cost) Known() bool { return c.Rate > 0 }

// Time is how long so many answers take, at the least.
func (c Cost) Time(answers int) time.Duration {
	const longest = 1000 * 24 * time.Hour
	if !c.Known() {
		return longest
	}
	return time.Duration(min(float64(answers)/c.Rate, longest.Seconds()) * float64(time.Second))
}

// Passes is how many passes the budget has the time for; 0 is not even one.
func (c Cost) Passes() float64 {
	return testShare * float64(c.Budget) / float64(max(c.Time(c.Answers), 1))
}

// Fits tells whether the budget may give a pass.
func (c Cost) Fits() bool {
	return (c.Most == 0 || c.Most >= c.Answers) && (c.Budget == 0 || !c.Known() || c.Passes() >= 1)
}

// String says what a pass takes: "a P99 takes about 3400 answers: 10m0s at .5 s an
// answer".
func (c Cost) String() string {
	text := fmt.Sprintf("a pass of a P%g takes about %d answers", c.Percentile, c.Answers)
	if c.Known() {
		text += fmt.Sprintf(": %s at %s", Roughly(c.Time(c.Answers)), c.pace())
	}
	return text
}

// pace is the rate in words: slow models are known by the time of an answer.
func (c Cost) pace() string {
	if c.Rate < 1 {
		return fmt.Sprintf("%.1f s an item", 1/c.Rate)
	}
	return fmt.Sprintf("%.3g answers/s", c.Rate)
}

// Short says that the budget is too short for a pass, and what to do; "" where it
// is not.
func (c Cost) Short() string {
	switch {
	case c.Fits():
		return ""
	case c.Most > 0 && c.Most < c.Answers:
		return fmt.Sprintf("%v; a trial has at most %d. %s", c, c.Most, c.waysOut("trial: max_requests in a plan"))
	}
	return fmt.Sprintf("%v; the budget is %v. %s", c, c.Budget, c.waysOut("a longer --budget"))
}

// waysOut are the ways to an answer, more being one of them.
func (c Cost) waysOut(more string) string {
	ways := more
	for _, p := range []float64{95, 90} {
		if p < c.Percentile {
			lower := c
			lower.Percentile, lower.Answers = p, stat.Needed(p/100)
			if lower.Fits() || p == 90 {
				ways = fmt.Sprintf("a lower percentile (--percentile %g takes %d", p, lower.Answers)
				if lower.Known() {
					ways += ", " + Roughly(lower.Time(lower.Answers))
				}
				ways += "), " + more
				break
			}
		}
	}
	return "Ways out: " + ways + ", or --requests N for trials of N requests whatever they show"
}

// More says how many more answers the trial would have taken that came nearest to
// a pass without one, and how long; "" where their number was not what was lacking:
// all were over the limit, or a busy machine spoiled them.
func (c Cost) More(trials []trial.Trial) string {
	most, rate, near := 0, c.Rate, len(trials) == 0
	for _, t := range trials {
		if value, ok := t.Verdict.ValueMS.Get(); t.Verdict.Result != trial.Undecided || t.Disturbed() || ok && value > t.Verdict.LimitMS {
			continue
		}
		if near = true; t.Counts.OK >= most {
			most, rate = t.Counts.OK, t.Throughput.Value.Or(c.Rate)
		}
	}
	if !near || most >= c.Answers {
		return ""
	}
	c.Rate = rate
	text := fmt.Sprintf("about %d more answers", c.Answers-most)
	if c.Known() {
		text += ", " + Roughly(c.Time(c.Answers-most))
	}
	return text + fmt.Sprintf(", for a pass of a P%g. ", c.Percentile) + c.waysOut("a longer --budget")
}

// near is how near to the limit a percentile is that more answers may never tell
// from it, as a share of the limit.
const near = .2

// Settles says what would settle a trial that was left open: a quiet machine, about
// how many more answers with the time they take and the budget that holds them, or,
// where there were enough of them, that its percentile is too close to the limit.
func (c Cost) Settles(t trial.Trial) string {
	v := t.Verdict
	missing := c.Answers - t.Counts.OK
	c.Rate = t.Throughput.Value.Or(c.Rate)
	long := t.Role == trial.RoleValidation
	switch value := v.ValueMS.Or(0); {
	case t.Disturbed():
		return "other programs took much of the machine: measure again when it is quiet"
	case long && missing <= 0 && value > (1-near)*v.LimitMS:
		text := fmt.Sprintf("%d answers did not settle it: its P%g is close to the limit of %g ms", t.Counts.OK, v.Percentile, v.LimitMS)
		if high, ok := v.HighMS.Get(); ok && high > v.LimitMS {
			text += fmt.Sprintf("; --sla %.0fms would hold", math.Ceil(high))
		}
		return text + c.budget(", and a longer look may tell: ")
	case long && missing > 0:
		return fmt.Sprintf("about %d more answers%s, would settle it%s. %s", missing, c.takes(missing), c.budget(": "), c.waysOut("a looser --sla"))
	case long:
		return "a longer look would settle it" + c.budget(": ")
	}
	return fmt.Sprintf("a validation of it takes about %d answers%s%s", c.Answers, c.takes(c.Answers), c.budget(": "))
}

// takes is how long so many answers take, in commas; "" where nobody knows.
func (c Cost) takes(answers int) string {
	if !c.Known() {
		return ""
	}
	return ", about " + Roughly(c.Time(answers))
}

// budget is one that is longer by what two passes take, at least by half.
func (c Cost) budget(before string) string {
	if c.Budget <= 0 {
		return ""
	}
	more := max(c.Budget/2, 2*c.Time(c.Answers))
	if !c.Known() {
		more = c.Budget
	}
	return before + fmt.Sprintf("--budget %v", (c.Budget+more).Round(time.Second))
}

// Roughly is a time as people say it: "40 s", "10 minutes", "1.9 hours".
func Roughly(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	case s < 2*3600:
		return fmt.Sprintf("%.0f minutes", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.1f hours", s/3600)
	default:
		return fmt.Sprintf("%.0f days", s/86400)
	}
}
