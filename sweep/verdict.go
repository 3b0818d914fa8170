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

// Requests has the data for a verdict about an SLA, in the order in which the requests ended.
type Requests struct {
	Load   load.Spec
	Values []float64       // latencies in ms of the kind that the SLA limits: of answers, and the timeout of requests that timed out
	Times  []time.Duration // planned send times of the requests with a value
	Failed []bool          // one for every request: it was refused, failed or timed out
	Sent   []time.Duration // planned send times of all requests
	Waits  []float64       // request latencies in s, of answers and requests that timed out; nil for a closed load
}

// RequestsOf returns the data of samples for an SLA that limits the given kind of latency.
func RequestsOf(samples []load.Sample, l load.Spec, kind trial.LatencyKind) Requests {
	r := Requests{Load: l, Failed: make([]bool, 0, len(samples)), Sent: make([]time.Duration, 0, len(samples))}
	for i := range samples {
		r.Add(&samples[i], kind)
	}
	return r
}

// Add adds a request. Model latency is missing if the server does not report it. A
// request that timed out counts with its timeout for both kinds of latency.
func (r *Requests) Add(s *load.Sample, kind trial.LatencyKind) {
	r.Failed = append(r.Failed, s.Outcome != load.OK)
	r.Sent = append(r.Sent, s.Planned)
	if s.Outcome == load.Refused || s.Outcome == load.Failed {
		return
	}
	v := s.Latency
	if kind == trial.ModelLatency && s.Outcome == load.OK {
		v = s.Model
	}
	if v > 0 {
		r.Values, r.Times = append(r.Values, ms(v)), append(r.Times, s.Planned)
	}
	if r.Load.Mode != load.Closed {
		r.Waits = append(r.Waits, s.Latency.Seconds())
	}
}

// errorRate returns the share of requests that were refused, failed or timed out; 0 without requests.
func (r Requests) errorRate() float64 {
	n := 0
	for _, f := range r.Failed {
		if f {
			n++
		}
	}
	return float64(n) / float64(max(1, len(r.Failed)))
}

// plannedRate returns the planned requests per second; 0 if there are too few to tell.
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

// keepsUp decides whether answers keep up with arrivals. Under a closed load they always do.
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

// dispersion returns variance / mean of the number of requests in each of 50 parts of the run. The
// arrivals of a trace may vary more than Poisson arrivals, and so does the backlog.
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

// JudgeInterval returns a verdict from a percentile with its interval, in ms, and an error
// rate, if the requests themselves are not available. The verdict is a pass or a failure
// only if the whole interval is on one side of the limit, and undecided if the end
// towards the limit is open. Too many errors are a failure.
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

// verdictOf returns a verdict with its numbers and without a result.
func verdictOf(sla trial.SLA, p stat.Interval, errorRate float64) trial.Verdict {
	return trial.Verdict{
		Latency: sla.Latency, Percentile: sla.Percentile, LimitMS: ms(sla.Limit),
		ValueMS: trial.NumOf(p.Value), LowMS: trial.NumOf(p.Low), HighMS: trial.NumOf(p.High), ErrorRate: trial.NumOf(errorRate),
	}
}

func errorText(rate float64, sla trial.SLA) string {
	return fmt.Sprintf("%s of the requests failed, timed out or were refused, %s are allowed", trial.Percent(rate), trial.Percent(sla.MaxErrorRate))
}

// Decide returns the verdict of requests about an SLA. It is a pass if three conditions
// are met: at most the allowed share of requests fails ([stat.DecideErrors]), answers
// keep up with arrivals ([stat.KeepsUp]), and the percentile is within the limit
// ([stat.Decide]). If one is violated, it is a failure; else if one is undecided, so is
// the verdict. minTime is the shortest run that may pass. why, if not empty, replaces the
// reason of a verdict that is certain.
func Decide(sla trial.SLA, r Requests, minTime time.Duration, why string) trial.Verdict {
	q := sla.Percentile / 100
	v := verdictOf(sla, stat.Quantile(r.Values, q), r.errorRate())
	d := decide(sla, r, minTime)
	v.Result, v.Leaning, v.Why = trialAnswers[d.answer], trialAnswers[d.leaning], d.why
	if why != "" && d.answer != stat.Undecided && d.byPercentile {
		v.Why = why
	}
	if d.byPercentile {
		v.Why += v.IntervalNote()
	}
	return v
}

// trialAnswers converts answers of package stat to those of package trial.
var trialAnswers = [...]trial.Answer{stat.Undecided: trial.Undecided, stat.Pass: trial.Pass, stat.Fail: trial.Fail}

// decision is the answer about an SLA with its reason.
type decision struct {
	answer, leaning stat.Answer
	byPercentile    bool // the reason is that of the percentile
	why             string
}

// decide combines the three conditions of an SLA.
func decide(sla trial.SLA, r Requests, minTime time.Duration) decision {
	errs := stat.DecideErrors(r.Failed, r.Sent, sla.MaxErrorRate)
	keep := r.keepsUp()
	tail := stat.Decide(r.Values, r.Times, stat.Promise{Q: sla.Percentile / 100, Limit: ms(sla.Limit), Least: minTime})
	d := decision{
		answer:  worst(errs.Answer, keep.Answer, tail.Answer),
		leaning: worst(errs.Leaning, keep.Leaning, tail.Leaning), why: tail.Why, byPercentile: true,
	}
	switch {
	case errs.Answer == stat.Fail:
		d.why, d.byPercentile = errorText(r.errorRate(), sla), false
	case keep.Answer == stat.Fail:
		d.why, d.byPercentile = r.describeBacklog(keep), false
	case tail.Answer != stat.Pass:
	case errs.Answer == stat.Undecided:
		d.why, d.byPercentile = "the error rate is "+errs.Why, false
	case keep.Answer == stat.Undecided && keep.Unended:
		d.why, d.byPercentile = "the queue was longer at the end of the load than before, so that it cannot be told whether answers keep up; a load that goes on for longer would show it", false
	case keep.Answer == stat.Undecided:
		d.why, d.byPercentile = fmt.Sprintf("too few requests to decide whether answers keep up with %.0f requests/s", r.loadRate()), false
	}
	return d
}

// describeBacklog returns the text of a failure because answers do not keep up.
func (r Requests) describeBacklog(k stat.Keeping) string {
	n := float64(max(1, len(r.Waits)))
	answered := r.loadRate() / (1 + k.Growth/n) // in each second the latency grows by (rate - answered) / answered
	return fmt.Sprintf("answers do not keep up with arrivals: %.0f of %.0f requests/s are answered, and the queue grows", answered, r.loadRate())
}

// loadRate returns the rate of an open load, or the planned rate of the requests of another load.
func (r Requests) loadRate() float64 {
	if r.Load.Mode == load.Open {
		return r.Load.Rate
	}
	return r.plannedRate()
}

// worst returns Fail if one answer is Fail, Pass if all are Pass, and Undecided otherwise.
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

// toEstimate converts an interval to the type of profiles.
func toEstimate(i stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.NumOf(i.Value), Low: trial.NumOf(i.Low), High: trial.NumOf(i.High)}
}

// unmeasured is a percentile that was not measured.
var unmeasured = stat.Interval{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}

// JudgeCapped makes the verdict about a load undecided that was held back by the largest rate. A lower load than asked for may keep a
// promise that the whole load breaks. It may also break one that the whole load keeps, because batches fill more slowly. Only
// errors remain a failure.
func JudgeCapped(v *trial.Verdict, errors bool, why string) {
	if errors && v.Result == trial.Fail {
		return
	}
	v.Result, v.Leaning, v.Why = trial.Undecided, trial.Undecided, why+"; "+v.Why
}
