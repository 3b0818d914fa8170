package search

import (
	"fmt"
	"math"
	"slices"

	"sweetspot/sweep/load"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// ExplainNone says in words why no trial kept the promise and what to do about it:
// of the setting that came nearest, the share of errors that failed it, or the step
// of a request that takes longest. Where the clients alone forbid the promise,
// whatever the settings, it says so instead (see tooManyClients). It is "" where
// the trials tell nothing.
func ExplainNone(trials []trial.Trial, sla trial.SLA) string {
	near, ok := nearest(trials)
	if !ok {
		return tooManyClients(trials, sla)
	}
	c := Explainer{}.cause(near)
	limit := float64(sla.Limit) / 1e6
	switch value, ok := near.Verdict.ValueMS.Get(); {
	case near.Counts.Errors() > sla.MaxErrorRate:
		return fmt.Sprintf("nearest is trial %d (%v): %s, %.2g%% are allowed: %s",
			near.N, near.Settings, near.Counts.DescribeErrors(), 100*sla.MaxErrorRate, lessErrors(near))
	case ok && value <= limit: // it does not keep up with its arrivals, and says so
		return fmt.Sprintf("nearest is trial %d (%v): %s", near.N, near.Settings, near.Verdict.Why)
	}
	if c.limit != limitDelay && c.limit != limitBusy && c.limit != limitGenerator {
		if text := tooManyClients(trials, sla); text != "" {
			return text
		}
	}
	did := near.Verdict.Describe()
	if median := near.Latency.P50.Value; !near.Verdict.ValueMS.OK() && median.OK() {
		did = fmt.Sprintf("half of its requests took %s ms and longer", median.Text(1))
	}
	text := fmt.Sprintf("nearest is trial %d (%v): %s", near.N, near.Settings, did)
	if c.limit == limitArrival { // no answer comes sooner for more requests
		c.text = fmt.Sprintf("execution takes %.1f ms, the queue %.1f; %s", near.Breakdown.Execution.Or(0), near.Breakdown.Queue.Or(0), lessExecution(near))
	}
	if c.text == "" {
		return text
	}
	return text + "; what limits: " + c.text
}

// AllOver tells whether every trial was over its limit, as far as can be told: at
// least half of its requests were. More answers would hardly change that.
func AllOver(trials []trial.Trial) bool {
	return len(trials) > 0 && !slices.ContainsFunc(trials, func(t trial.Trial) bool {
		v := t.Verdict
		return v.ValueMS.Or(t.Latency.P50.Value.Or(0)) <= v.LimitMS
	})
}

// nearest is the setting that came nearest to the promise, by the median of its
// latency where there were too few answers for the percentile.
func nearest(trials []trial.Trial) (near trial.Trial, ok bool) {
	least := math.Inf(1)
	for _, r := range rank.Rows(trials) {
		t := r.Joined
		d := (rank.Rules{}).Distance(t)
		if median, known := t.Latency.P50.Value.Get(); known && math.IsInf(d, 1) && t.Verdict.LimitMS > 0 {
			d = median / t.Verdict.LimitMS
		}
		if t.Error == "" && d < least {
			near, ok, least = t, true, d
		}
	}
	return near, ok
}

// lessErrors is what to do about the kind of error that is most frequent.
func lessErrors(t trial.Trial) string {
	switch c := t.Counts; max(c.Refused, c.Failed, c.Timeout) {
	case c.Refused:
		return fmt.Sprintf("the queue of %d was full; a longer one (--queue-size), more workers or less load refuse fewer", t.Settings.QueueSize)
	case c.Timeout:
		return "they waited longer than --timeout allows; more workers or less load answer sooner"
	}
	return "the server could not answer them: see its log"
}

// tooManyClients is Little's law where it forbids the promise: with n clients that
// each wait for their answer, mean latency is n over the throughput, whatever the
// settings. It says nothing where the throughput itself is held back by something
// else: a delay that is waited for, or workers that idle; nor where no setting
// executes a batch within the promise, as then fewer clients do not help either.
func tooManyClients(trials []trial.Trial, sla trial.SLA) string {
	if sla.Latency != trial.RequestLatency {
		return ""
	}
	clients, most, exec := 0, 0.0, math.Inf(1)
	var at trial.Trial
	for _, t := range trials {
		if t.Load.Mode != load.Closed || t.Load.Matched || clients > 0 && t.Load.Concurrency != clients {
			return "" // the clients differ, or do not wait
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
	return fmt.Sprintf("%d requests in flight at %.1f requests/s, the most that any setting did, take %.0f ms on average (Little's law), above %g ms: "+
		"load it with fewer clients, or let them follow the settings with --concurrency matched", clients, most, mean, limit)
}
