package sweep

import (
	"context"
	"fmt"
	"math"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// A search ranks settings by short trials. The recommended settings need a validation: a
// long trial at the end, whose verdict no short trial changes.
const (
	maxValidations     = 3 // largest number of validated points for each load of the plan; one more for question capacity
	maxValidationTime  = time.Minute
	validationRequests = 10  // factor of the largest number of requests of other trials
	validationAnswers  = 3.2 // factor of the answers that a pass needs: a run without latencies near the limit needs so many

	// horizonRequests is the largest number of requests of a validation that lasts a horizon: all are in memory, 80 bytes each and their
	// latencies.
	horizonRequests = 5_000_000
	horizonMargin   = time.Second // a run is seen up to its last answer, which may be shortly before its end
)

// rateReductions are the factors by which a highest rate is reduced for the next validation, one
// after each validation that was not a pass.
var rateReductions = [...]float64{.97, .95, .9}

const (
	failedRateReduction = .92 // an additional factor after a failure
	narrowRateReduction = .97 // after a narrow pass; a highest rate is known to about 3%
)

// reservedTime returns the part of the budget for the validation of the best settings under all loads of the plan.
func (s *run) reservedTime() time.Duration {
	candidates := s.ranking().Candidates()
	if s.Time <= 0 || len(candidates) == 0 {
		return 0
	}
	reserved := time.Duration(s.reservedShare() * float64(s.Time))
	if s.VirtualTime {
		return reserved // neither a horizon nor a pass takes much real time
	}
	horizons := min(time.Duration(s.loads())*s.SLA.Horizon, s.Time/2)
	return max(reserved, horizons, s.SLA.Horizon, s.passTime(candidates[0].Joined))
}

// mostPassShare is the largest share of the budget that is reserved so that the validation can be a pass.
const mostPassShare = 1. / 3

// passTime estimates how long a validation of the settings of t must last for a pass, with the answers of a run without
// latencies near the limit, or, if that does not fit into the budget, with those of one that has some; 0 if neither fits.
func (s *run) passTime(t trial.Trial) time.Duration {
	rate := t.Throughput.Value.Or(0)
	if rate <= 0 || s.loads() > 1 { // with several loads the share grows
		return 0
	}
	for _, answers := range []float64{validationAnswers, answerMargin} {
		seconds := answers*float64(stat.Needed(s.SLA.Percentile/100))/rate + maxWarmup.Seconds()
		if seconds <= mostPassShare*s.Time.Seconds() {
			return time.Duration(seconds * float64(time.Second))
		}
	}
	return 0
}

// loads returns under how many loads the best settings are validated.
func (s *run) loads() int { return max(1, len(s.Rules.Loads)) }

// searchTime returns how much of the remaining time the search may use. With one load it may use some of the time for the
// validation in the end, which then is shorter. With several it may not, because the last of them would not be validated.
func (s *run) searchTime(left time.Duration) time.Duration {
	if s.loads() == 1 {
		return time.Duration((1 - validationShare) * float64(left))
	}
	return max(left-time.Duration(s.reservedShare()*float64(s.Time)), 0)
}

// reservedShare returns the share of the budget for the validation under all loads, at most half of it.
func (s *run) reservedShare() float64 { return min(validationShare*float64(s.loads()), .5) }

// validate measures the best candidate once more, with a new seed and for a long time,
// because the best of many noisy trials is often better than the setting really is. If it
// does not pass, the next candidate is validated. If there is no candidate, the rest of the
// budget is for the best setting whose trials had too few requests for a verdict.
func (s *run) validate(ctx context.Context) error {
	limit := maxValidations * s.loads()
	if s.isCapacity() {
		limit = len(rateReductions) + 1
	}
	for s.countValidations() < limit && s.budgetUsedUp(0) == "" {
		p, ok := s.nextValidation()
		if !ok {
			return nil
		}
		if err := s.beforePoint(ctx); err != nil {
			return err
		}
		if err := s.runTrial(ctx, p, s.validationLimit(p.Load)); err != nil {
			return err
		}
	}
	return nil
}

// countValidations counts the points that were validated since the last other trial, so that those of a resumed sweep
// count too. A narrow pass that was validated again counts once, and passes of question capacity do not count: otherwise a
// few of them would leave none for lower rates. Those without a result count each, because they would be repeated for ever.
func (s *run) countValidations() int {
	type point struct {
		settings knob.Settings
		load     load.Spec
	}
	points, unmeasured := map[point]bool{}, 0
	for i := len(s.trials) - 1; i >= 0 && s.trials[i].Role == trial.RoleValidation; i-- {
		t := s.trials[i]
		if s.Rules.Question == plan.Capacity && t.Verdict.Result == trial.Pass {
			continue
		}
		if t.Error != "" {
			unmeasured++
			continue
		}
		points[point{t.Settings, t.Load}] = true
	}
	return len(points) + unmeasured
}

// validationTime returns how long a validation must last: the horizon of the SLA, or the
// reserved part of the budget.
func (s *run) validationTime() time.Duration {
	switch {
	case s.SLA.Horizon > 0:
		return s.SLA.Horizon + horizonMargin
	case s.Time > 0:
		return min(time.Duration(s.reservedShare()/float64(s.loads())*float64(s.Time)), maxValidationTime)
	}
	return maxValidationTime
}

// validationLimit returns how long a validation may take: the horizon, or the time of the
// answers that a pass needs, within the budget.
func (s *run) validationLimit(l load.Spec) time.Duration {
	if s.Duration > 0 {
		return s.Duration
	}
	longest := s.maxDuration(l, max(maxValidationTime, s.SLA.Horizon+s.SLA.Horizon/8)+maxWarmup, validationAnswers)
	if s.Time <= 0 {
		return longest
	}
	return min(max(s.Time-time.Since(s.begin)-s.pendingAnswersTime(l), minDuration), longest)
}

// nextValidation returns the next point to validate, false if there is none. A row whose
// validation was undecided is not measured again, because it would stay undecided.
func (s *run) nextValidation() (plan.Point, bool) {
	k := s.ranking()
	candidates := k.Candidates()
	if p, ok := s.reducedRate(candidates); ok {
		return p, true
	}
	if r, ok := k.FewerReplicas(); ok && s.countValidations() == 0 { // only once: the others must have validations left
		return validationPoint(r.Joined), true
	}
	for _, r := range candidates {
		switch {
		case r.Validated && s.needsConfirmation(k, r):
			return s.confirmation(r.Joined), true
		case r.Validated:
			return s.otherLoad(k, r)
		case !r.FromValidations():
			return validationPoint(r.Joined), true
		}
	}
	if r, ok := k.BestUndecided(); ok {
		return validationPoint(r.Joined), true
	}
	return plan.Point{}, false
}

// needsConfirmation reports whether a row passed narrowly, was not confirmed, and there is time for that. The error
// probability of a pass is that of a promise that is just broken, so of several settings just above the limit one may
// pass.
func (s *run) needsConfirmation(k rank.Ranking, r rank.Row) bool {
	if _, confirmed := k.ConfirmedBelow(r); !r.Narrow || confirmed {
		return false
	}
	const reserve = 1.2 // for the change of settings, and for the last answers
	took := time.Duration(reserve * (r.Joined.Seconds + r.Joined.WarmupSeconds) * float64(time.Second))
	return s.Time <= 0 || s.Time-time.Since(s.begin)-s.pendingAnswersTime(r.Joined.Load) > took
}

// confirmation returns the second validation after a narrow pass. That of a highest rate has a lower rate, which is then
// recommended: the rates that pass are the lucky ones of many, so that two passes of one rate are not enough.
func (s *run) confirmation(t trial.Trial) plan.Point {
	p := validationPoint(t)
	if s.Rules.Question == plan.Capacity {
		p.Load.Rate = s.passedRateNear(t, plan.RoundRate(t.Load.Rate*narrowRateReduction))
		p.Reason = fmt.Sprintf("trial %d passed narrowly: a lower rate with a new seed, as a validation", t.N)
	}
	return p
}

// reducedRate returns the point with a lower rate to validate after a validation of a
// highest rate that was not a pass. It returns false if a candidate has a higher rate
// after a failure.
func (s *run) reducedRate(candidates []rank.Row) (plan.Point, bool) {
	n := s.countValidations()
	if !s.isCapacity() || n == 0 || n > len(rateReductions) || s.trials[len(s.trials)-1].Verdict.Result == trial.Pass {
		return plan.Point{}, false
	}
	t := s.trials[len(s.trials)-1]
	share := rateReductions[n-1]
	if t.Verdict.Result == trial.Fail {
		share *= failedRateReduction
	}
	t.Load.Rate = s.passedRateNear(t, plan.RoundRate(t.Load.Rate*share))
	if s.Rules.Question == plan.Replicas { // one replica more
		failed := s.trials[len(s.trials)-1].Load.Rate
		t.Load.Rate = s.Rules.RateOf(s.Rules.ReplicasFor(failed) + 1)
	}
	if len(candidates) == 0 || candidates[0].Joined.Load.Rate < t.Load.Rate || t.Verdict.Result == trial.Undecided {
		return validationPoint(t), true
	}
	return plan.Point{}, false
}

// otherLoad returns the settings of the best row under another load of the plan, under
// which they are not validated yet; false if there is none. A load under which other settings failed is the
// first, because it is the most likely to fail these.
func (s *run) otherLoad(k rank.Ranking, best rank.Row) (next plan.Point, ok bool) {
	most := -1
	for _, o := range k.OtherLoads(best) {
		if o.Row.FromValidations() || o.Row.Verdict().Likely() == trial.Fail {
			continue
		}
		if n := k.CountFailures(o.Load); n > most {
			most, ok = n, true
			next = plan.Point{
				Settings: best.Joined.Settings, Load: o.Load, Role: trial.RoleValidation,
				Reason: fmt.Sprintf("the settings of trial %d under another load of the plan, as a validation", best.Joined.N),
			}
			if o.Tried {
				next = validationPoint(o.Row.Joined)
			}
		}
	}
	return next, ok
}

// passedRateNear returns a rate within 2% of the given rate at which the settings of t have
// passed, or the given rate.
func (s *run) passedRateNear(t trial.Trial, rate float64) float64 {
	for _, o := range s.trials {
		if o.Settings == t.Settings && o.Verdict.Likely() == trial.Pass && math.Abs(o.Load.Rate/rate-1) < .02 {
			return o.Load.Rate
		}
	}
	return rate
}

// validationPoint returns the point that validates the settings and load of t.
func validationPoint(t trial.Trial) plan.Point {
	return plan.Point{
		Settings: t.Settings, Load: t.Load, Role: trial.RoleValidation,
		Reason: fmt.Sprintf("trial %d again with a new seed, as a validation", t.N),
	}
}

// ranking returns the ranking of the trials so far.
func (s *run) ranking() rank.Ranking { return rank.New(s.Rules, s.trials) }

// isCapacity reports whether the question is the highest rate: settings that fail at one rate may
// pass at a lower one.
func (s *run) isCapacity() bool { return s.Rules.Question.SeeksRate() }
