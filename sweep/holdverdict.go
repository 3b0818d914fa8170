package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// The error probabilities of a hold. That of a wrong failure, 5% in all, is divided: a hold is looked at as a whole, in ten
// parts, and in each period. A pass is decided once, at the end.
const (
	wholeAlpha   = .01
	partsAlpha   = .02 // of all parts together
	periodsAlpha = .02 // of all periods together
	keptAlpha    = .05
	holdParts    = 10
	mostUnseen   = .05 // share of the periods that may be missing in a hold that kept the promise
)

// BrokenPeriod reports whether a period certainly breaks the promise: the error probability is divided among all planned
// periods. Disturbed ones break nothing but the promise about errors.
func BrokenPeriod(sla trial.SLA, p trial.HoldPeriod, planned int) bool {
	failed := stat.AddTails([]stat.Tail{stat.Tail(p.Failed)})
	if sla.MaxErrorRate == 0 && failed.Over > 0 || sla.MaxErrorRate > 0 && failed.FailsCertainly(sla.MaxErrorRate, periodsAlpha/float64(planned)) {
		return true
	}
	if !p.Measured() || p.Disturbed() {
		return false
	}
	tail := stat.AddTails([]stat.Tail{stat.Tail(p.Undisturbed)})
	return p.Backlog || tail.FailsCertainly(allowedOver(sla), periodsAlpha/float64(planned))
}

// allowedOver returns the share of latencies that may be over the limit.
func allowedOver(sla trial.SLA) float64 { return 1 - sla.Percentile/100 }

// JudgeHold returns the result of the periods of a hold, with Broken set in each. planned is the number of periods that it was to
// have, and ended, if not empty, why it has fewer. The promise is
//
//   - broken if in one period, in one tenth of the time, or over all the time certainly more requests are over the limit or fail than may,
//     or answers do not keep up; if no error is allowed, one error is enough. Times in which others used the machine do not count
//     here, except for errors;
//   - kept if at most one period in 20 is missing, all the others together certainly have no more requests over the limit than may, and in
//     no tenth of the time more than may, certain or not. Here all times count, so that what others did to the machine is no excuse;
//   - else it cannot be told.
func JudgeHold(sla trial.SLA, periods []trial.HoldPeriod, planned int, ended string) trial.Hold {
	h := trial.Hold{
		Planned: planned, Periods: len(periods), Ended: ended,
		Broken: []int{}, Unmeasured: []int{}, Disturbed: []int{}, Throttled: []int{},
	}
	j := holdJudge{sla: sla, periods: periods, allowed: allowedOver(sla), hold: &h}
	j.count()
	all := stat.AddTails(j.all)
	h.All = trial.Tail(all.Tail)
	h.Failed = trial.Tail(stat.AddTails(j.failed).Tail)
	if all.N > 0 {
		h.Over = trial.Estimate{Value: trial.NumOf(all.Share()), High: trial.NumOf(all.Upper())}
	}
	h.Latency, h.Memory = latencyTrend(periods), memoryTrend(periods)
	if why := j.broken(); why != "" {
		h.Result, h.Why = trial.Fail, why
		return h
	}
	if why := j.notKept(all); why != "" {
		h.Why = why
		return h
	}
	h.Result, h.Why = trial.Pass, "certain"
	return h
}

// holdJudge has the tails of the measured periods of a hold.
type holdJudge struct {
	sla     trial.SLA
	periods []trial.HoldPeriod
	allowed float64
	hold    *trial.Hold

	undisturbed, all, failed []stat.Tail // one for each period; empty tails for those that do not count
}

// count sets the tails and the lists of periods.
func (j *holdJudge) count() {
	h := j.hold
	for _, p := range j.periods {
		var undisturbed, all stat.Tail
		if p.Measured() {
			h.Seconds += p.Seconds
			all = stat.Tail(p.All)
			if !p.Disturbed() {
				undisturbed = stat.Tail(p.Undisturbed)
			}
		} else {
			h.Unmeasured = append(h.Unmeasured, p.N)
		}
		j.undisturbed, j.all, j.failed = append(j.undisturbed, undisturbed), append(j.all, all), append(j.failed, stat.Tail(p.Failed))
		if p.Broken {
			h.Broken = append(h.Broken, p.N)
		}
		if p.Blocks.Rejected > 0 || p.Disturbed() {
			h.Disturbed = append(h.Disturbed, p.N)
		}
		switch throttled := p.GPU.Throttled; {
		case throttled == nil:
			h.ThrottledWhy = cmp.Or(p.GPU.Reason, h.ThrottledWhy, "the target does not report it")
		case *throttled:
			h.Throttled = append(h.Throttled, p.N)
		}
	}
}

// broken returns why the promise is certainly broken, or "".
func (j *holdJudge) broken() string {
	failed := stat.AddTails(j.failed)
	if first := slices.IndexFunc(j.periods, func(p trial.HoldPeriod) bool { return p.Died }); first >= 0 {
		return fmt.Sprintf("the server ended unexpectedly in %s", j.name(first, first))
	}
	if j.sla.MaxErrorRate == 0 && failed.Over > 0 {
		first := slices.IndexFunc(j.failed, func(t stat.Tail) bool { return t.Over > 0 })
		return fmt.Sprintf("%d of %d requests failed, timed out or were refused, the first in %s; none may", failed.Over, failed.N, j.name(first, first))
	}
	if j.sla.MaxErrorRate > 0 {
		if why := j.certainlyOver(j.failed, j.sla.MaxErrorRate, "failed, timed out or were refused"); why != "" {
			return why
		}
	}
	if why := j.certainlyOver(j.undisturbed, j.allowed, fmt.Sprintf("took longer than %v", j.sla.Limit)); why != "" {
		return why
	}
	if first := slices.IndexFunc(j.periods, func(p trial.HoldPeriod) bool { return p.Broken }); first >= 0 {
		return fmt.Sprintf("broken in %s: %s", j.name(first, first), j.periods[first].Verdict.Why)
	}
	return ""
}

// certainlyOver returns where certainly more than the allowed share is over the limit, or "". The whole time comes first, then the
// tenths, then the periods.
func (j *holdJudge) certainlyOver(tails []stat.Tail, allowed float64, what string) string {
	if all := stat.AddTails(tails); all.FailsCertainly(allowed, wholeAlpha) {
		return fmt.Sprintf("%s of %d requests %s, %s may", trial.Percent(all.Share()), all.N, what, trial.Percent(allowed))
	}
	for _, p := range j.parts(tails) {
		if p.FailsCertainly(allowed, partsAlpha/holdParts) {
			return fmt.Sprintf("in %s %s of the requests %s, %s may", j.name(p.first, p.last), trial.Percent(p.Share()), what, trial.Percent(allowed))
		}
	}
	for i, t := range tails {
		if p := stat.AddTails([]stat.Tail{t}); p.FailsCertainly(allowed, periodsAlpha/float64(j.hold.Planned)) {
			return fmt.Sprintf("in %s %s of the requests %s, %s may", j.name(i, i), trial.Percent(p.Share()), what, trial.Percent(allowed))
		}
	}
	return ""
}

// holdPart is a part of a hold: the periods from first to last.
type holdPart struct {
	stat.TailsTogether
	first, last int
}

// parts returns the tenths of the planned time that were measured.
func (j *holdJudge) parts(tails []stat.Tail) []holdPart {
	var out []holdPart
	for k := range holdParts {
		first, end := k*j.hold.Planned/holdParts, min((k+1)*j.hold.Planned/holdParts, len(tails))
		if first >= end {
			continue
		}
		out = append(out, holdPart{stat.AddTails(tails[first:end]), first, end - 1})
	}
	return out
}

// notKept returns why it is not certain that the promise was kept, or "".
func (j *holdJudge) notKept(all stat.TailsTogether) string {
	h := j.hold
	measured := len(j.periods) - len(h.Unmeasured)
	if h.Ended != "" || float64(h.Planned-measured) > mostUnseen*float64(h.Planned) {
		return fmt.Sprintf("only %d of %d periods were measured, and the promise was not certainly broken in them", measured, h.Planned)
	}
	late := fmt.Sprintf("took longer than %v", j.sla.Limit)
	why := j.uncertain(all, j.all, j.allowed, late)
	if why != "" {
		undisturbed := stat.AddTails(j.undisturbed)
		if len(h.Disturbed) > 0 && j.uncertain(undisturbed, j.undisturbed, j.allowed, late) == "" {
			return fmt.Sprintf("%s; without the times in which others used the machine it is %s, so that they may be the cause", why, trial.Percent(undisturbed.Share()))
		}
		return why
	}
	if j.sla.MaxErrorRate > 0 {
		return j.uncertainErrors()
	}
	return ""
}

// uncertain returns why it is not certain that at most the allowed share is over the limit, or "".
func (j *holdJudge) uncertain(all stat.TailsTogether, tails []stat.Tail, allowed float64, what string) string {
	if !all.Enough(allowed) {
		return fmt.Sprintf("%d of the %d latencies that an answer takes", all.N, all.Needed(allowed))
	}
	if all.AtMost(allowed) > keptAlpha || all.Share() > allowed {
		return fmt.Sprintf("%s of %d requests %s, which may be up to %s for this server, and %s may", trial.Percent(all.Share()), all.N, what, trial.Percent(all.Upper()), trial.Percent(allowed))
	}
	return j.partOver(tails, allowed, what)
}

// partOver returns the first tenth of the time in which more than the allowed share is over the limit, certainly or not; "" if
// there is none.
func (j *holdJudge) partOver(tails []stat.Tail, allowed float64, what string) string {
	for _, p := range j.parts(tails) {
		if p.Share() > allowed {
			return fmt.Sprintf("in %s %s of the requests %s, %s may, which is not certain", j.name(p.first, p.last), trial.Percent(p.Share()), what, trial.Percent(allowed))
		}
	}
	return ""
}

// uncertainErrors returns why it is not certain that at most the allowed share of requests failed, or "".
func (j *holdJudge) uncertainErrors() string {
	const what = "failed, timed out or were refused"
	all, allowed := stat.AddTails(j.failed), j.sla.MaxErrorRate
	if allowed >= 1 {
		return ""
	}
	if all.AtMost(allowed) > keptAlpha || all.Share() > allowed {
		return fmt.Sprintf("%s of %d requests %s, which may be up to %s for this server, and %s may", trial.Percent(all.Share()), all.N, what, trial.Percent(all.Upper()), trial.Percent(allowed))
	}
	return j.partOver(j.failed, allowed, what)
}

// name names the periods from first to last by the time of the hold: "12m0s-13m0s".
func (j *holdJudge) name(first, last int) string {
	from, to := j.periods[first].FromS, j.periods[last].FromS+j.periods[last].Seconds
	return fmt.Sprintf("%v-%v", seconds(from), seconds(to))
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
