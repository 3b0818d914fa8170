package sweep

import (
	"fmt"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// judgement adds the verdict to the result of a run.
type judgement struct {
	*trial.Result
	run   load.Result
	load  load.Spec
	sla   trial.SLA
	part  part
	total time.Duration

	measured, kept []load.Sample // those of the part after its warm-up, and those outside of its rejected blocks too
}

// judge decides with the requests that count. why, if not empty, is why the run ended.
func (j judgement) judge(why string) {
	requests := j.requestsOf(j.measured, j.kept)
	j.Verdict = Decide(j.sla, requests, 0, why)
	j.Held = heldOf(j.run.Samples, j.part.usual, j.undisturbed(requests), j.sla)
	if j.Counts.Sent == 0 {
		j.Verdict.ErrorRate = trial.Num{}
	}
	if j.run.Capped {
		JudgeCapped(&j.Verdict, j.tooManyErrors(), j.run.Warning)
	}
	switch {
	case j.Verdict.Result == trial.Pass:
		j.makeUndecided(j.againstPass())
	case j.Verdict.Result == trial.Fail && !j.tooManyErrors():
		j.makeUndecided(j.againstFail())
	}
}

// makeUndecided makes the verdict undecided for a reason; "" is none.
func (j judgement) makeUndecided(why string) {
	if why != "" {
		j.Verdict.Result, j.Verdict.Why = trial.Undecided, why+"; "+j.Verdict.Why
	}
}

func (j judgement) tooManyErrors() bool { return j.Counts.Errors() > j.sla.MaxErrorRate }

// requests returns the requests of another part of the run.
func (j judgement) requests(p part) Requests {
	measured := plannedAfter(j.run.Samples, p.warm)
	return j.requestsOf(measured, p.keptSamples(measured))
}

// requestsOf returns the requests in the kept ones of the measured samples. Errors in rejected blocks count too.
func (j judgement) requestsOf(measured, kept []load.Sample) Requests {
	r := RequestsOf(kept, j.load, j.sla.Latency)
	if len(kept) != len(measured) {
		all := RequestsOf(measured, j.load, j.sla.Latency)
		r.Failed, r.Sent = all.Failed, all.Sent
	}
	return r
}

// againstPass returns why a pass is not certain; "" if it is. The promise must be seen kept for its horizon. And what was
// removed as a warm-up of service times may also have been a slow phase, so it must not break the promise.
func (j judgement) againstPass() string {
	if seen := j.total - j.part.usual; seen < j.sla.Horizon {
		return fmt.Sprintf("seen for %v of the horizon of %v", seen.Round(time.Second), j.sla.Horizon)
	}
	if j.part.warm <= j.part.usual {
		return ""
	}
	longer := j.part
	longer.warm = longer.usual
	r := j.requests(longer)
	value := stat.Quantile(r.Values, j.sla.Percentile/100).Value
	if value <= ms(j.sla.Limit) && r.errorRate() <= j.sla.MaxErrorRate {
		return ""
	}
	return fmt.Sprintf("the first %.1f s may be a warm-up, and with them the promise is broken: P%g %.1f ms, %s failed",
		j.part.warm.Seconds(), j.sla.Percentile, value, trial.Percent(r.errorRate()))
}

// againstFail returns why a failure that is not one by errors is not certain; "" if it is.
func (j judgement) againstFail() string {
	switch {
	case j.mayBeDisturbance():
		return disturbedMachine + ", which may be the cause"
	case j.run.Limited:
		return j.run.Warning
	}
	return ""
}

// disturbanceFactor is the largest median / limit that a disturbance may cause: other processes may
// use half of the machine, but rarely more for a long time.
const disturbanceFactor = 2

// mayBeDisturbance reports whether a disturbance may be the cause of a failure: most
// blocks were disturbed, and half of the requests are not too far above the limit. Of a load that counts as a whole, it
// may also be the cause if the undisturbed blocks alone do not fail.
func (j judgement) mayBeDisturbance() bool {
	if stat.Quantile(latencies(j.kept, j.sla.Latency), .5).Value > disturbanceFactor*ms(j.sla.Limit) {
		return false
	}
	if j.Disturbed() || len(j.part.ignored) == 0 {
		return j.Disturbed()
	}
	return Decide(j.sla, j.undisturbed(Requests{}), 0, "").Result != trial.Fail
}

// undisturbed returns the requests outside of the disturbed blocks, of a load that counts as a whole; of another one the
// requests that count, which are given.
func (j judgement) undisturbed(counted Requests) Requests {
	if len(j.part.ignored) == 0 {
		return counted
	}
	return j.requests(part{rejection: rejectAll(j.part.ignored, 0, j.total)})
}
