package search

import (
	"fmt"
	"math"
	"strings"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// loadTestShare is the share of a time budget for load tests. The rest is for probes and the
// validation.
const loadTestShare = .6

// Cost is the number of answers and the time that a trial needs for a pass.
type Cost struct {
	Percentile  float64
	Answers     int           // that a pass needs, about
	Rate        float64       // highest answers/s; 0 is unknown
	Budget      time.Duration // of the whole sweep; 0 is no limit, also in virtual time
	MaxRequests int           // limit of one trial; 0 is no limit
	// Whole is the name of a load that every trial replays to its end, trace or ramp: only a longer one has more
	// answers. It is "" for other loads.
	Whole string
}

// CostOf returns the cost of the plan's SLA. The rate comes from the probes and trials.
func CostOf(p plan.Plan, found trial.History) Cost {
	c := Cost{
		Percentile: p.SLA.Percentile, Answers: stat.Needed(p.SLA.Percentile / 100),
		Rate: found.MaxRate(), Budget: p.Budget.Time, MaxRequests: p.Trial.MaxRequests,
	}
	if p.Target == plan.Virtual {
		c.Budget = 0 // the budget limits real time only
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
	for _, l := range p.Loads {
		if c.Whole = wholeLoad(l); c.Whole == "" {
			break
		}
	}
	if p.Question.SeeksRate() {
		c.Whole = ""
	}
	return c
}

// wholeLoad returns Cost.Whole for a load.
func wholeLoad(l load.Spec) string {
	if l.Mode == load.Trace || l.Mode == load.Ramp {
		return l.Mode.String()
	}
	return ""
}

// HasRate reports whether the rate is known, and with it the time of a number of answers.
func (c Cost) HasRate() bool { return c.Rate > 0 }

// TimeFor returns the shortest time for this number of answers, 1000 days if the rate is unknown.
func (c Cost) TimeFor(answers int) time.Duration {
	const longest = 1000 * 24 * time.Hour
	if !c.HasRate() {
		return longest
	}
	return time.Duration(min(float64(answers)/c.Rate, longest.Seconds()) * float64(time.Second))
}

// Passes returns the number of passes that the budget has time for, which may be below 1.
func (c Cost) Passes() float64 {
	return loadTestShare * float64(c.Budget) / float64(max(c.TimeFor(c.Answers), 1))
}

// Fits reports whether a pass is possible within the budget.
func (c Cost) Fits() bool {
	return (c.MaxRequests == 0 || c.MaxRequests >= c.Answers) && (c.Budget == 0 || !c.HasRate() || c.Passes() >= 1)
}

// String says what a pass needs: "a pass of a P99 takes about 3400 answers: 28 minutes at 2
// answers/s".
func (c Cost) String() string {
	text := fmt.Sprintf("a pass of a P%g takes about %d answers", c.Percentile, c.Answers)
	if c.HasRate() {
		text += fmt.Sprintf(": %s at %s", RoughDuration(c.TimeFor(c.Answers)), c.rateText())
	}
	return text
}

// rateText is the rate in words: for slow models the time of an answer.
func (c Cost) rateText() string {
	switch {
	case c.Rate < 1:
		return fmt.Sprintf("%.1f s an item", 1/c.Rate)
	case c.Rate >= 1000: // without an exponent
		return fmt.Sprintf("%.0f answers/s", c.Rate)
	}
	return fmt.Sprintf("%.3g answers/s", c.Rate)
}

// TooShort says that the budget is too short for a pass, and what to do; "" if it is long enough.
func (c Cost) TooShort() string {
	switch {
	case c.Fits() || c.Whole != "":
		return ""
	case c.MaxRequests > 0 && c.MaxRequests < c.Answers:
		return fmt.Sprintf("%v; a trial has at most %d. %s", c, c.MaxRequests, c.alternatives("trial: max_requests in a plan"))
	}
	return fmt.Sprintf("%v; the budget is %v. %s", c, c.Budget, c.alternatives("a longer --budget"))
}

// alternatives says how to get a verdict; more is one of the ways.
func (c Cost) alternatives(more string) string {
	ways := more
	for _, p := range []float64{95, 90} {
		if p < c.Percentile {
			lower := c
			lower.Percentile, lower.Answers = p, stat.Needed(p/100)
			if lower.Fits() || p == 90 {
				ways = fmt.Sprintf("a lower percentile (--percentile %g takes %d", p, lower.Answers)
				if lower.HasRate() {
					ways += ", " + RoughDuration(lower.TimeFor(lower.Answers))
				}
				ways += "), " + more
				break
			}
		}
	}
	if c.Whole != "" {
		return "Alternatives: " + ways
	}
	return "Alternatives: " + ways + ", or --requests N for trials of N requests whatever they show"
}

// MissingAnswers says how many more answers were needed for a pass, in the trial with the most
// answers of those that may pass, and how long they take. It returns "" if more answers would not
// help: all trials were over the limit or disturbed by other programs.
func (c Cost) MissingAnswers(trials []trial.Trial) string {
	most, rate, mayPass := 0, c.Rate, len(trials) == 0
	for _, t := range trials {
		if value, ok := t.Verdict.ValueMS.Get(); t.Verdict.Result != trial.Undecided || t.Disturbed() || ok && value > t.Verdict.LimitMS {
			continue
		}
		if mayPass = true; t.Counts.OK >= most {
			most, rate = t.Counts.OK, t.Throughput.Value.Or(c.Rate)
		}
	}
	if !mayPass || most >= c.Answers {
		return ""
	}
	c.Rate = rate
	text := fmt.Sprintf("about %d more answers", c.Answers-most)
	if c.HasRate() {
		text += ", " + RoughDuration(c.TimeFor(c.Answers-most))
	}
	longer := "a longer --budget"
	if c.Whole != "" {
		longer = "a longer " + c.Whole
	}
	return text + fmt.Sprintf(", for a pass of a P%g. ", c.Percentile) + c.alternatives(longer)
}

// closeToLimit is a share of the limit: a percentile between 1 - closeToLimit and 1 of the limit
// may stay undecided with any number of answers.
const closeToLimit = .2

// LimitedAdvice says what to do about a trial whose load the generator has limited; "" if it has not.
func LimitedAdvice(t trial.Trial) string {
	if !t.GeneratorLimited {
		return ""
	}
	for _, w := range t.WarningsOf(trial.GeneratorLimited) {
		if strings.Contains(w.Text, "--max-rate") {
			return "--max-rate was the limit, not the server: the figures do not show what the server can do; a higher --max-rate or fewer clients do"
		}
	}
	return "the load generator was the limit, not the server: the figures do not show what the server can do; send less, or from another machine"
}

// HowToDecide says how an undecided trial can be decided: with an idle machine, or with more
// answers, how many, how long they take and which budget allows them. If it had enough answers,
// HowToDecide says that its percentile is too close to the limit. A trace and a ramp are measured to their
// end with any budget: there it says that a longer one decides.
func (c Cost) HowToDecide(t trial.Trial) string {
	v := t.Verdict
	missing := c.Answers - t.Counts.OK
	c.Rate = t.Throughput.Value.Or(c.Rate)
	measurement := "measurement"
	if c.Whole = wholeLoad(t.Load); c.Whole != "" {
		measurement, c.Budget = c.Whole, 0
	}
	validated := t.Role == trial.RoleValidation
	switch value := v.ValueMS.Or(0); {
	case t.GeneratorLimited:
		return LimitedAdvice(t)
	case t.Disturbed():
		return "other programs took much of the machine: measure again when it is idle"
	case validated && missing <= 0 && value > (1-closeToLimit)*v.LimitMS:
		text := fmt.Sprintf("%d answers did not decide it: its P%g is close to the limit of %g ms", t.Counts.OK, v.Percentile, v.LimitMS)
		if high, ok := v.HighMS.Get(); ok && high > v.LimitMS {
			text += fmt.Sprintf("; --sla %.0fms would hold", math.Ceil(high))
		}
		return text + ", and a longer " + measurement + " may decide it" + c.budgetText(": ")
	case c.Whole != "" && missing > 0:
		return fmt.Sprintf("a pass takes about %d answers, and the %s gave %d: a longer %s would decide it. %s", c.Answers, c.Whole, t.Counts.OK, c.Whole, c.alternatives("a looser --sla"))
	case validated && missing > 0:
		return fmt.Sprintf("about %d more answers%s, would decide it%s. %s", missing, c.timeText(missing), c.budgetText(": "), c.alternatives("a looser --sla"))
	case validated:
		return "a longer " + measurement + " would decide it" + c.budgetText(": ")
	}
	return fmt.Sprintf("a validation of it takes about %d answers%s%s", c.Answers, c.timeText(c.Answers), c.budgetText(": "))
}

// timeText is the time of this number of answers, after a comma; "" if the rate is unknown.
func (c Cost) timeText(answers int) string {
	if !c.HasRate() {
		return ""
	}
	return ", about " + RoughDuration(c.TimeFor(answers))
}

// budgetText is a budget that is longer by the time of two passes, and by at least half.
func (c Cost) budgetText(before string) string {
	if c.Budget <= 0 {
		return ""
	}
	more := max(c.Budget/2, 2*c.TimeFor(c.Answers))
	if !c.HasRate() {
		more = c.Budget
	}
	return before + fmt.Sprintf("--budget %v", (c.Budget+more).Round(time.Second))
}

// RoughDuration formats a duration for people: "3 ms", "40 s", "10 minutes", "1.9 hours".
func RoughDuration(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < .1:
		return fmt.Sprintf("%.2g ms", 1000*s)
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
