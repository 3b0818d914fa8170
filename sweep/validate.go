package sweep

import (
	"context"
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// The last look at the favourite. A search ranks on short looks; what is
// recommended rests on one long validation, which no short look overrules.
const (
	maxValidations       = 3 // validations at most, and one more where rates are looked for
	maxValidationTime = time.Minute
	validationRequests     = 10  // times as many requests as another trial may have
	validationAnswers   = 3.2 // times as many answers as a pass takes: where none comes near the limit it takes so many
)

// retreats are the shares of a highest rate that could not be told again at
// which it is tried the next time, one that failed at further below.
var rateReductions = [...]float64{.97, .95, .9}

const failedRateReduction = .92 // on top of these

// kept is the part of the budget that is left to validate the favourite with.
func (s *run) reservedTime() time.Duration {
	if s.Time <= 0 || len(s.ranking().Candidates()) == 0 {
		return 0
	}
	return max(time.Duration(validationShare*float64(s.Time)), s.SLA.Horizon)
}

// validate measures the favourite once more on a fresh seed and for long, because
// the best of many noisy trials was also lucky. One that does not pass, or is left
// open, makes way for the next. Where nothing looks like a pass, what is left of the budget goes to
// the best setting that was too short of data to tell.
func (s *run) validate(ctx context.Context) error {
	most := maxValidations
	if s.isCapacity() {
		most = len(rateReductions) + 1
	}
	for s.countValidations() < most && s.budgetUsedUp(0) == "" {
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

// validations counts those since the last trial of another kind: a resumed sweep
// has some behind it.
func (s *run) countValidations() int {
	n := 0
	for n < len(s.trials) && s.trials[len(s.trials)-1-n].Role == trial.RoleValidation {
		n++
	}
	return n
}

// seenKept is how long a validation has to last: the promise's horizon, or what
// the budget keeps for it.
func (s *run) validationTime() time.Duration {
	switch {
	case s.SLA.Horizon > 0:
		return s.SLA.Horizon
	case s.Time > 0:
		return min(time.Duration(validationShare*float64(s.Time)), maxValidationTime)
	}
	return maxValidationTime
}

// validationLimit is how long a validation may take: as long as the promise wants,
// or as the answers take that a pass wants, within the budget.
func (s *run) validationLimit(l load.Spec) time.Duration {
	if s.Duration > 0 {
		return s.Duration
	}
	longest := s.maxDuration(l, max(maxValidationTime, s.SLA.Horizon)+maxWarmup, validationAnswers)
	if s.Time <= 0 {
		return longest
	}
	return min(max(s.Time-time.Since(s.begin)-s.pendingAnswersTime(l), minDuration), longest)
}

// toValidate is the point to look at once more; none if it has been. One whose
// validation was left open is not measured again: the row would stay open.
func (s *run) nextValidation() (plan.Point, bool) {
	k := s.ranking()
	favourites := k.Candidates()
	if p, ok := s.reducedRate(favourites); ok {
		return p, true
	}
	for _, r := range favourites {
		switch {
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

// retreat is the lower rate at which a highest one is looked at again that was not
// confirmed.
func (s *run) reducedRate(favourites []rank.Row) (plan.Point, bool) {
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
	if len(favourites) == 0 || favourites[0].Joined.Load.Rate < t.Load.Rate || t.Verdict.Result == trial.Undecided {
		return validationPoint(t), true
	}
	return plan.Point{}, false
}

// underOtherLoads is the best row's setting under a load of the plan under which it
// was measured and not validated yet.
func (s *run) otherLoad(k rank.Ranking, best rank.Row) (plan.Point, bool) {
	for _, r := range k.Rows {
		t := r.Joined
		if !s.isCapacity() && t.Settings == best.Joined.Settings && !r.FromValidations() && t.Verdict.Likely() != trial.Fail {
			return validationPoint(t), true
		}
	}
	return plan.Point{}, false
}

// passedNear is the rate within 2% of the given one at which the settings of t
// passed before, or else that one.
func (s *run) passedRateNear(t trial.Trial, rate float64) float64 {
	for _, o := range s.trials {
		if o.Settings == t.Settings && o.Verdict.Likely() == trial.Pass && math.Abs(o.Load.Rate/rate-1) < .02 {
			return o.Load.Rate
		}
	}
	return rate
}

func validationPoint(t trial.Trial) plan.Point {
	return plan.Point{
		Settings: t.Settings, Load: t.Load, Role: trial.RoleValidation,
		Reason: fmt.Sprintf("trial %d again on a fresh seed, for long", t.N),
	}
}

// ranking is that of the trials so far.
func (s *run) ranking() rank.Ranking { return rank.New(s.Rules, s.trials) }

// capacity tells whether the highest rate is looked for: settings that fail at one
// may pass at a lower one.
func (s *run) isCapacity() bool { return s.Rules.Question == plan.Capacity }
