package sweep

import (
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Requests are what a promise is judged by, in the order in which they ended.
type Requests struct {
	Load   load.Spec
	Values []float64       // ms of the latency that the promise binds: answers, and timeouts at their limit
	Times  []time.Duration // when those were planned
	Failed []bool          // of every request: refused, failed or timed out
	Sent   []time.Duration // when every request was planned
	Waits  []float64       // s from planned send to last byte, of those with a Value; nil for a closed load
}

// RequestsOf takes from samples what a promise on the given latency is judged by.
func RequestsOf(samples []load.Sample, l load.Spec, which trial.LatencyKind) Requests {
	r := Requests{Load: l, Failed: make([]bool, 0, len(samples)), Sent: make([]time.Duration, 0, len(samples))}
	for i := range samples {
		r.Add(&samples[i], which)
	}
	return r
}

// Add takes one more request in. Model latency is missing where a server tells
// none; a request that ran out of time had at least its limit of either.
func (r *Requests) Add(s *load.Sample, which trial.LatencyKind) {
	r.Failed = append(r.Failed, s.Outcome != load.OK)
	r.Sent = append(r.Sent, s.Planned)
	if s.Outcome == load.Refused || s.Outcome == load.Failed {
		return
	}
	v := s.Latency
	if which == trial.ModelLatency && s.Outcome == load.OK {
		v = s.Model
	}
	if v > 0 {
		r.Values, r.Times = append(r.Values, ms(v)), append(r.Times, s.Planned)
	}
	if r.Load.Mode != load.Closed {
		r.Waits = append(r.Waits, s.Latency.Seconds())
	}
}

// errorRate is the share of requests that failed, 0 without any.
func (r Requests) errorRate() float64 {
	n := 0
	for _, f := range r.Failed {
		if f {
			n++
		}
	}
	return float64(n) / float64(max(1, len(r.Failed)))
}

// rate is how many requests a second were planned, 0 where that is not known.
func (r Requests) plannedRate() float64 {
	if len(r.Sent) < 2 {
		return 0
	}
	span := slices.Max(r.Sent) - slices.Min(r.Sent)
	if span <= 0 {
		return 0
	}
	return float64(len(r.Sent)) / span.Seconds()
}

// keeping tells whether the answers keep up with the arrivals; a closed load waits
// for them.
func (r Requests) keepsUp() stat.Keeping {
	if r.Load.Mode == load.Closed {
		return stat.Keeping{Answer: stat.Pass, Leaning: stat.Pass}
	}
	a := stat.Arrivals{Waits: r.Waits, Rate: r.plannedRate(), Dispersion: 1}
	if r.Load.Mode == load.Trace {
		a.Dispersion = dispersion(r.Sent)
	}
	return stat.KeepsUp(a)
}

// dispersion is the variance over the mean of how many requests come in a fiftieth
// of the run, which makes the backlog of a trace move more than chance does.
func dispersion(sent []time.Duration) float64 {
	const parts = 50
	if len(sent) < 2*parts {
		return 1
	}
	first, last := slices.Min(sent), slices.Max(sent)
	if last <= first {
		return 1
	}
	var counts [parts]float64
	for _, t := range sent {
		counts[min(int(float64(t-first)/float64(last-first)*parts), parts-1)]++
	}
	mean, sum := float64(len(sent))/parts, 0.
	for _, c := range counts {
		sum += (c - mean) * (c - mean) / (parts - 1)
	}
	return sum / mean
}

// Judge holds a percentile with its interval, in ms, and an error rate against a
// promise, where no more than these figures is known. The answer is certain only
// when the whole interval lies on one side of the limit; an open end reaches
// everywhere. Too many errors fail whatever the percentile.
func JudgeInterval(sla trial.SLA, p stat.Interval, errorRate float64, why string) trial.Verdict {
	v := verdictOf(sla, p, errorRate)
	v.Why = why
	switch {
	case errorRate > sla.MaxErrorRate:
		v.Result, v.Why = trial.Fail, errorText(errorRate, sla)
	case p.Low > v.LimitMS:
		v.Result = trial.Fail
	case p.High <= v.LimitMS:
		v.Result = trial.Pass
	}
	v.Leaning = v.Result
	return v
}

// verdictOf is a verdict without an answer.
func verdictOf(sla trial.SLA, p stat.Interval, errorRate float64) trial.Verdict {
	return trial.Verdict{
		Latency: sla.Latency, Percentile: sla.Percentile, LimitMS: ms(sla.Limit),
		ValueMS: trial.NumOf(p.Value), LowMS: trial.NumOf(p.Low), HighMS: trial.NumOf(p.High), ErrorRate: errorRate,
	}
}

func errorText(rate float64, sla trial.SLA) string {
	return fmt.Sprintf("%s of the requests failed, timed out or were refused, %s are allowed", formatPercent(rate), formatPercent(sla.MaxErrorRate))
}

// percent is a share with two digits, or the whole number where it has more.
func formatPercent(share float64) string {
	if share >= .1 {
		return fmt.Sprintf("%.0f%%", 100*share)
	}
	return fmt.Sprintf("%.2g%%", 100*share)
}

// Decide holds requests against a promise. It is kept if all three are: at most
// the allowed share of requests fails ([stat.DecideErrors]), answers keep up with
// arrivals ([stat.KeepsUp]), and the percentile stays within the limit
// ([stat.Decide]). One that is broken fails, and one that is not known leaves it
// undecided. least is the shortest time in which a pass is believed. why, if not
// empty, is kept as the reason of a certain answer.
func Decide(sla trial.SLA, r Requests, least time.Duration, why string) trial.Verdict {
	q := sla.Percentile / 100
	v := verdictOf(sla, stat.Quantile(r.Values, q), r.errorRate())
	j := decide(sla, r, least)
	v.Result, v.Leaning, v.Why = trialAnswers[j.answer], trialAnswers[j.leaning], j.why
	if why != "" && j.answer != stat.Undecided && j.byPercentile {
		v.Why = why
	}
	return v
}

// answers are those of package stat in the words of package trial.
var trialAnswers = [...]trial.Answer{stat.Undecided: trial.Undecided, stat.Pass: trial.Pass, stat.Fail: trial.Fail}

// judgement is the answer to a promise with its grounds.
type decision struct {
	answer, leaning stat.Answer
	byPercentile           bool // it is the percentile's, or a pass
	why             string
}

// judge joins the three parts of a promise.
func decide(sla trial.SLA, r Requests, least time.Duration) decision {
	errs := stat.DecideErrors(r.Failed, r.Sent, sla.MaxErrorRate)
	keep := r.keepsUp()
	tail := stat.Decide(r.Values, r.Times, stat.Promise{Q: sla.Percentile / 100, Limit: ms(sla.Limit), Least: least})
	j := decision{
		answer:  worst(errs.Answer, keep.Answer, tail.Answer),
		leaning: worst(errs.Leaning, keep.Leaning, tail.Leaning), why: tail.Why, byPercentile: true,
	}
	switch {
	case errs.Answer == stat.Fail:
		j.why, j.byPercentile = errorText(r.errorRate(), sla), false
	case keep.Answer == stat.Fail:
		j.why, j.byPercentile = r.describeBacklog(keep), false
	case tail.Answer != stat.Pass:
	case errs.Answer == stat.Undecided:
		j.why, j.byPercentile = "the error rate is "+errs.Why, false
	case keep.Answer == stat.Undecided:
		j.why, j.byPercentile = fmt.Sprintf("too few requests to tell that answers keep up with %.0f requests/s", r.loadRate()), false
	}
	return j
}

// behind says by how much the answers are too few.
func (r Requests) describeBacklog(k stat.Keeping) string {
	n := float64(max(1, len(r.Waits)))
	answered := r.loadRate() / (1 + k.Growth/n) // a wait grows by (rate - answered) / answered a second
	return fmt.Sprintf("does not keep up: %.0f of %.0f requests/s are answered, the queue grows", answered, r.loadRate())
}

// planned is the load's rate: of an open one what it was asked for.
func (r Requests) loadRate() float64 {
	if r.Load.Mode == load.Open {
		return r.Load.Rate
	}
	return r.plannedRate()
}

// worst is Fail if one is, Pass if all are.
func worst(all ...stat.Answer) stat.Answer {
	out := stat.Pass
	for _, a := range all {
		switch {
		case a == stat.Fail:
			return stat.Fail
		case a == stat.Undecided:
			out = stat.Undecided
		}
	}
	return out
}

// estimate is a stat interval as profiles hold it.
func toEstimate(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.NumOf(i.Value), Low: trial.NumOf(i.Low), High: trial.NumOf(i.High)}
}

// unmeasured is the percentile of nothing.
var unmeasured = stat.Interval{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
