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
	candidates       = 3 // validations at most, and one more where rates are looked for
	longestValidated = time.Minute
	moreRequests     = 10  // times as many requests as another trial may have
	validatedTimes   = 3.2 // times as many answers as a pass takes: where none comes near the limit it takes so many
)

// retreats are the shares of a highest rate that could not be told again at
// which it is tried the next time, one that failed at further below.
var retreats = [...]float64{.97, .95, .9}

const failedRetreat = .92 // on top of these

// kept is the part of the budget that is left to validate the favourite with.
func (s *run) kept() time.Duration {
	if s.Time <= 0 || len(s.ranking().Favourites()) == 0 {
		return 0
	}
	return max(time.Duration(reserve*float64(s.Time)), s.SLA.Horizon)
}

// validate measures the favourite once more on a fresh seed and for long, because
// the best of many noisy trials was also lucky. One that does not pass, or is left
// open, makes way for the next. Where nothing looks like a pass, what is left of the budget goes to
// the best setting that was too short of data to tell.
func (s *run) validate(ctx context.Context) error {
	most := candidates
	if s.capacity() {
		most = len(retreats) + 1
	}
	for s.validations() < most && s.spent(0) == "" {
		p, ok := s.toValidate()
		if !ok {
			return nil
		}
		if err := s.gate(ctx); err != nil {
			return err
		}
		if err := s.point(ctx, p, s.validationLimit(p.Load)); err != nil {
			return err
		}
	}
	return nil
}

// validations counts those since the last trial of another kind: a resumed sweep
// has some behind it.
func (s *run) validations() int {
	n := 0
	for n < len(s.trials) && s.trials[len(s.trials)-1-n].Role == trial.RoleValidation {
		n++
	}
	return n
}

// seenKept is how long a validation has to last: the promise's horizon, or what
// the budget keeps for it.
func (s *run) seenKept() time.Duration {
	switch {
	case s.SLA.Horizon > 0:
		return s.SLA.Horizon
	case s.Time > 0:
		return min(time.Duration(reserve*float64(s.Time)), longestValidated)
	}
	return longestValidated
}

// validationLimit is how long a validation may take: as long as the promise wants,
// or as the answers take that a pass wants, within the budget.
func (s *run) validationLimit(l load.Spec) time.Duration {
	if s.Duration > 0 {
		return s.Duration
	}
	longest := s.longest(l, max(longestValidated, s.SLA.Horizon)+warmLongest, validatedTimes)
	if s.Time <= 0 {
		return longest
	}
	return min(max(s.Time-time.Since(s.begin)-s.draining(l), shortest), longest)
}

// toValidate is the point to look at once more; none if it has been. One whose
// validation was left open is not measured again: the row would stay open.
func (s *run) toValidate() (plan.Point, bool) {
	k := s.ranking()
	favourites := k.Favourites()
	if p, ok := s.retreat(favourites); ok {
		return p, true
	}
	for _, r := range favourites {
		switch {
		case r.Validated:
			return s.underOtherLoads(k, r)
		case !r.ByValidation():
			return again(r.Joined), true
		}
	}
	if r, ok := k.Hopeful(); ok {
		return again(r.Joined), true
	}
	return plan.Point{}, false
}

// retreat is the lower rate at which a highest one is looked at again that was not
// confirmed.
func (s *run) retreat(favourites []rank.Row) (plan.Point, bool) {
	n := s.validations()
	if !s.capacity() || n == 0 || n > len(retreats) || s.trials[len(s.trials)-1].Verdict.Result == trial.Pass {
		return plan.Point{}, false
	}
	t := s.trials[len(s.trials)-1]
	share := retreats[n-1]
	if t.Verdict.Result == trial.Fail {
		share *= failedRetreat
	}
	t.Load.Rate = s.passedNear(t, plan.RoundRate(t.Load.Rate*share))
	if len(favourites) == 0 || favourites[0].Joined.Load.Rate < t.Load.Rate || t.Verdict.Result == trial.Undecided {
		return again(t), true
	}
	return plan.Point{}, false
}

// underOtherLoads is the best row's setting under a load of the plan under which it
// was measured and not validated yet.
func (s *run) underOtherLoads(k rank.Ranking, best rank.Row) (plan.Point, bool) {
	for _, r := range k.Rows {
		t := r.Joined
		if !s.capacity() && t.Settings == best.Joined.Settings && !r.ByValidation() && t.Verdict.Seems() != trial.Fail {
			return again(t), true
		}
	}
	return plan.Point{}, false
}

// passedNear is the rate within 2% of the given one at which the settings of t
// passed before, or else that one.
func (s *run) passedNear(t trial.Trial, rate float64) float64 {
	for _, o := range s.trials {
		if o.Settings == t.Settings && o.Verdict.Seems() == trial.Pass && math.Abs(o.Load.Rate/rate-1) < .02 {
			return o.Load.Rate
		}
	}
	return rate
}

func again(t trial.Trial) plan.Point {
	return plan.Point{
		Settings: t.Settings, Load: t.Load, Role: trial.RoleValidation,
		Reason: fmt.Sprintf("trial %d again on a fresh seed, for long", t.N),
	}
}

// ranking is that of the trials so far.
func (s *run) ranking() rank.Ranking { return rank.Of(s.Rules, s.trials) }

// capacity tells whether the highest rate is looked for: settings that fail at one
// may pass at a lower one.
func (s *run) capacity() bool { return s.Rules.Question == plan.Capacity }
