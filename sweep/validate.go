package sweep

import (
	"context"
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// The last look at the favourite.
const (
	candidates       = 3      // validations at most, and one more where rates are looked for
	validated        = 10_000 // requests of one, if there is time for them
	longestValidated = time.Minute
)

// retreats are the shares of a highest rate that could not be told again at
// which it is tried the next time, one that failed at further below.
var retreats = [...]float64{.97, .95, .9}

const failedRetreat = .92 // on top of these

// kept is the part of the budget that is left to validate the favourite with.
func (s *run) kept() time.Duration {
	if s.Time <= 0 || s.favourite() < 0 {
		return 0
	}
	return time.Duration(reserve * float64(s.Time))
}

// validate measures the favourite once more on a fresh seed, because the best
// of many noisy trials was also lucky. One that fails makes way for the next.
// Where nothing passed, what is left of the budget goes to the best setting that
// was too short of data to tell.
func (s *run) validate(ctx context.Context) error {
	most := candidates
	if s.Capacity {
		most = len(retreats) + 1
	}
	for s.validations() < most && s.spent(0) == "" {
		if s.validations() > 0 && !s.Capacity && s.trials[len(s.trials)-1].Verdict.Result == trial.Undecided {
			return nil // another look would see no more
		}
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

// validationLimit is how long a validation may take.
func (s *run) validationLimit(l load.Spec) time.Duration {
	longest := s.longest(l, longestValidated)
	switch {
	case s.Duration > 0:
		return s.Duration
	case s.Time <= 0:
		return longest
	}
	return min(max(s.Time-time.Since(s.begin)-s.draining(l), shortest), longest)
}

// toValidate is the point to look at once more; none if it has been.
func (s *run) toValidate() (plan.Point, bool) {
	best := s.favourite()
	if best < 0 {
		best = s.hopeful()
	}
	if n := s.validations(); s.Capacity && n > 0 && s.trials[len(s.trials)-1].Verdict.Result != trial.Pass {
		t := s.trials[len(s.trials)-1]
		share := retreats[n-1]
		if t.Verdict.Result == trial.Fail {
			share *= failedRetreat
		}
		t.Load.Rate = s.passedNear(t, plan.RoundRate(t.Load.Rate*share))
		if best < 0 || s.trials[best].Load.Rate < t.Load.Rate || t.Verdict.Result == trial.Undecided {
			return again(t), true
		}
	}
	if best < 0 || s.trials[best].Role == trial.RoleValidation {
		return plan.Point{}, false
	}
	return again(s.trials[best]), true
}

// passedNear is the rate within 2% of the given one at which the settings of t
// passed before, or else that one.
func (s *run) passedNear(t trial.Trial, rate float64) float64 {
	for _, o := range s.trials {
		if o.Settings == t.Settings && o.Verdict.Result == trial.Pass && math.Abs(o.Load.Rate/rate-1) < .02 {
			return o.Load.Rate
		}
	}
	return rate
}

func again(t trial.Trial) plan.Point {
	return plan.Point{
		Settings: t.Settings, Load: t.Load, Role: trial.RoleValidation,
		Reason: fmt.Sprintf("trial %d again on a fresh seed", t.N),
	}
}

// favourite is the index of the best passing trial whose settings did not fail
// elsewhere under the same load, -1 if there is none. Of a validated setting it
// is the validation.
func (s *run) favourite() int {
	failed := map[string]float64{} // the lowest rate, 0 of a load without one
	latest := map[string]int{}
	for i, t := range s.trials {
		k := s.key(t)
		if lowest, known := failed[k]; s.doubted(t) && (!known || t.Load.Rate < lowest) {
			failed[k] = t.Load.Rate
		}
		if t.Role == trial.RoleValidation && t.Verdict.Result == trial.Pass {
			latest[fmt.Sprint(k, t.Load)] = i
		}
	}
	for _, i := range s.Rank(s.trials) {
		t := s.trials[i]
		k := s.key(t)
		if lowest, known := failed[k]; t.Verdict.Result != trial.Pass || known && t.Load.Rate >= lowest {
			continue
		}
		if v, ok := latest[fmt.Sprint(k, t.Load)]; ok {
			return v
		}
		return i
	}
	return -1
}

// doubted tells whether a trial speaks against its settings under its load: it
// failed, or a last look at a highest rate could not confirm it.
func (s *run) doubted(t trial.Trial) bool {
	return t.Verdict.Result == trial.Fail || s.Capacity && t.Role == trial.RoleValidation && t.Verdict.Result == trial.Undecided
}

// key is what makes two trials the same measurement. Where the highest rate is
// looked for, what fails at one rate fails at all above it.
func (s *run) key(t trial.Trial) string {
	if s.Capacity {
		t.Load.Rate = 0
	}
	return fmt.Sprint(t.Settings, t.Load)
}

// hopeful is the index of the best undecided trial whose percentile was within
// the limit and which was not measured again yet, -1 if there is none.
func (s *run) hopeful() int {
	again := map[string]bool{}
	for _, t := range s.trials {
		if t.Role == trial.RoleValidation || t.Verdict.Result == trial.Fail && !s.Capacity {
			again[s.key(t)] = true
		}
	}
	best := -1
	for i, t := range s.trials {
		v, ok := t.Verdict.ValueMS.Get()
		if !ok || t.Verdict.Result != trial.Undecided || v > t.Verdict.LimitMS || again[s.key(t)] {
			continue
		}
		if best < 0 || t.Throughput.Value.Or(0) > s.trials[best].Throughput.Value.Or(0) {
			best = i
		}
	}
	return best
}
