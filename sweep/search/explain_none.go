package search

import (
	"fmt"
	"math"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// ExplainNone says why no trial kept the promise and what to do: for the setting nearest to the
// promise, the share of errors that failed it, or the step of a request that takes longest. If the
// number of clients alone makes the promise impossible with all settings, it says so instead (see
// tooManyClients). It returns "" if the trials do not show a reason.
func ExplainNone(trials []trial.Trial, sla trial.SLA) string {
	near, ok := nearest(trials)
	if !ok {
		return tooManyClients(trials, sla)
	}
	c := Explainer{}.bottleneck(near, trials)
	limit := float64(sla.Limit) / 1e6
	switch value, ok := near.Verdict.ValueMS.Get(); {
	case near.Counts.Errors() > sla.MaxErrorRate:
		return fmt.Sprintf("nearest is trial %d (%v): %s, %s are allowed: %s",
			near.N, near.Settings, near.Counts.DescribeErrors(), trial.Percent(sla.MaxErrorRate), errorsAdvice(near))
	case ok && value <= limit: // it does not keep up with the arrivals, as its Why says
		return fmt.Sprintf("nearest is trial %d (%v): %s", near.N, near.Settings, near.Verdict.Why)
	}
	if c.limit != limitDelay && c.limit != limitOtherPrograms && c.limit != limitGenerator {
		if text := tooManyClients(trials, sla); text != "" {
			return text
		}
	}
	result := near.Verdict.Describe()
	if median := near.Latency.P50.Value; !near.Verdict.ValueMS.OK() && median.OK() {
		result = fmt.Sprintf("half of its requests took %s ms and longer", median.Text(1))
	}
	text := fmt.Sprintf("nearest is trial %d (%v): %s", near.N, near.Settings, result)
	if c.limit == limitArrival { // a higher load would not make answers faster
		c.text = fmt.Sprintf("execution takes %.1f ms, the queue %.1f; %s", near.Breakdown.Execution.Or(0), near.Breakdown.Queue.Or(0), executionAdvice(near, trials))
	}
	if c.text == "" {
		return text
	}
	return text + "; what limits: " + c.text
}

// AllOverLimit reports whether in every trial at least half of the requests were over the limit.
// Then more answers would hardly change the verdict.
func AllOverLimit(trials []trial.Trial) bool {
	return len(trials) > 0 && !slices.ContainsFunc(trials, func(t trial.Trial) bool {
		v := t.Verdict
		return v.ValueMS.Or(t.Latency.P50.Value.Or(0)) <= v.LimitMS
	})
}

// nearest returns the setting nearest to the promise. If there were too few answers for the
// percentile, the median counts.
func nearest(trials []trial.Trial) (near trial.Trial, ok bool) {
	least := math.Inf(1)
	for _, r := range rank.Rows(trials) {
		t := r.Joined
		d := (rank.Rules{}).Distance(t)
		if median, measured := t.Latency.P50.Value.Get(); measured && math.IsInf(d, 1) && t.Verdict.LimitMS > 0 {
			d = median / t.Verdict.LimitMS
		}
		if t.Error == "" && d < least {
			near, ok, least = t, true, d
		}
	}
	return near, ok
}

// errorsAdvice is the advice against the most frequent kind of error.
func errorsAdvice(t trial.Trial) string {
	switch c := t.Counts; max(c.Refused, c.Failed, c.Timeout) {
	case c.Refused:
		if !t.Settings.Has(knob.QueueSize) {
			return "a longer queue, more workers or less load refuse fewer"
		}
		return fmt.Sprintf("the queue of %d was full; a longer one (--queue-size), more workers or less load refuse fewer", t.Settings.QueueSize)
	case c.Timeout:
		return "they waited longer than --timeout allows; more workers or less load answer sooner"
	}
	return "the server could not answer them: see its log"
}

// tooManyClients applies Little's law: with n clients that wait for their answers, the mean latency
// is n / throughput with any settings. It returns "" if that does not exceed the limit, or if the
// throughput is limited by something else: a batch delay or idle workers; also if no setting
// executes a batch within the limit, because then fewer clients do not help.
func tooManyClients(trials []trial.Trial, sla trial.SLA) string {
	if sla.Latency != trial.RequestLatency {
		return ""
	}
	clients, most, exec := 0, 0.0, math.Inf(1)
	var at trial.Trial
	for _, t := range trials {
		if t.Load.Mode != load.Closed || t.Load.Matched || clients > 0 && t.Load.Concurrency != clients {
			return "" // the numbers of clients differ, or clients do not wait for answers
		}
		clients = t.Load.Concurrency
		if rate := t.Throughput.Value.Or(0); rate > most {
			most, at = rate, t
		}
		if t.Error == "" {
			exec = min(exec, t.Breakdown.Execution.Or(0))
		}
	}
	limit := float64(sla.Limit) / 1e6
	mean := 1000 * float64(clients) / most
	if most == 0 || mean <= limit || clients < 2 || exec > limit || at.Breakdown.Formation.Or(0) > at.Breakdown.Execution.Or(0) {
		return ""
	}
	advice := "load it with fewer clients"
	if at.Settings.Has(knob.Workers) && at.Settings.Has(knob.BatchSize) {
		advice += ", or let them follow the settings with --concurrency matched"
	}
	return fmt.Sprintf("%d requests in flight at %.1f requests/s, the most that any setting did, take %.0f ms on average (Little's law), above %g ms: %s",
		clients, most, mean, limit, advice)
}
