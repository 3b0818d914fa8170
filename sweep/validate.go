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
	if s.Time <= 0 || s.favourite() < 0 {
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
	if s.Capacity {
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
	if p, ok := s.retreat(s.favourite()); ok {
		return p, true
	}
	for _, r := range s.favourites() {
		switch {
		case r.Validated:
			return s.underOtherLoads(r)
		case !s.validatedOnce(r):
			return again(s.trials[r.Stands]), true
		}
	}
	if i := s.hopeful(); i >= 0 {
		return again(s.trials[i]), true
	}
	return plan.Point{}, false
}

// retreat is the lower rate at which a highest one is looked at again that was not
// confirmed.
func (s *run) retreat(best int) (plan.Point, bool) {
	n := s.validations()
	if !s.Capacity || n == 0 || n > len(retreats) || s.trials[len(s.trials)-1].Verdict.Result == trial.Pass {
		return plan.Point{}, false
	}
	t := s.trials[len(s.trials)-1]
	share := retreats[n-1]
	if t.Verdict.Result == trial.Fail {
		share *= failedRetreat
	}
	t.Load.Rate = s.passedNear(t, plan.RoundRate(t.Load.Rate*share))
	if best < 0 || s.trials[best].Load.Rate < t.Load.Rate || t.Verdict.Result == trial.Undecided {
		return again(t), true
	}
	return plan.Point{}, false
}

// underOtherLoads is the best row's setting under a load of the plan under which it
// was measured and not validated yet.
func (s *run) underOtherLoads(best rank.Row) (plan.Point, bool) {
	for _, r := range s.rows() {
		t := r.Joined
		if !s.Capacity && t.Settings == best.Joined.Settings && !s.validatedOnce(r) && t.Verdict.Seems() != trial.Fail {
			return again(s.trials[r.Stands]), true
		}
	}
	return plan.Point{}, false
}

// validatedOnce tells whether a row rests on validations, whatever they said.
func (s *run) validatedOnce(r rank.Row) bool { return s.trials[r.Stands].Role == trial.RoleValidation }

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

// rows joins the trials so far.
func (s *run) rows() []rank.Row { return rank.Rows(s.trials) }

// favourites are the rows that look like a pass, best first. A setting that fails
// under another load of the plan comes after those that fail under none.
func (s *run) favourites() []rank.Row {
	rows := map[int]rank.Row{}
	broken := map[string]float64{} // the lowest rate that did not hold
	failed := map[string]bool{}    // settings that fail under a load
	for _, r := range s.rows() {
		t := r.Joined
		rows[r.Stands] = r
		if s.uncertain(r) {
			k := s.key(t)
			if lowest, known := broken[k]; !known || t.Load.Rate < lowest {
				broken[k] = t.Load.Rate
			}
		}
		failed[t.Settings.String()] = failed[t.Settings.String()] || t.Verdict.Seems() == trial.Fail
	}
	var first, second []rank.Row
	for _, i := range s.Rank(s.trials) {
		t := rows[i].Joined
		switch {
		case t.Verdict.Seems() != trial.Pass || t.Load.Rate >= lowest(broken, s.key(t)):
		case s.Capacity || !failed[t.Settings.String()]:
			first = append(first, rows[i])
		default:
			second = append(second, rows[i])
		}
	}
	return append(first, second...)
}

// favourite is the index of the trial that stands for the best setting that looks
// like a pass, -1 if there is none.
func (s *run) favourite() int {
	for _, r := range s.favourites() {
		return r.Stands
	}
	return -1
}

// chosen is the index of the validation that stands for the best setting that
// passed one, -1 if there is none.
func (s *run) chosen() int {
	for _, r := range s.favourites() {
		if r.Validated {
			return r.Stands
		}
	}
	return -1
}

// lowest is the rate from which on settings did not hold, +Inf if none is known.
func lowest(broken map[string]float64, key string) float64 {
	if rate, known := broken[key]; known {
		return rate
	}
	return math.Inf(1)
}

// uncertain tells whether a row speaks against its settings under its load: it
// fails, or a validation of a highest rate did not confirm it.
func (s *run) uncertain(r rank.Row) bool {
	return r.Verdict().Seems() == trial.Fail || s.Capacity && s.validatedOnce(r) && !r.Validated
}

// key is what makes two rows the same question. Where the highest rate is looked
// for, what fails at one rate fails at all above it.
func (s *run) key(t trial.Trial) string {
	if s.Capacity {
		t.Load.Rate = 0
	}
	return fmt.Sprint(t.Settings, t.Load)
}

// hopeful is the index of the trial that stands for the best undecided setting
// whose percentile was within the limit and which was not validated yet, -1 if
// there is none.
func (s *run) hopeful() int {
	best := -1
	for _, r := range s.rows() {
		t := r.Joined
		v, ok := t.Verdict.ValueMS.Get()
		if !ok || t.Verdict.Result != trial.Undecided || t.Verdict.Seems() == trial.Fail || v > t.Verdict.LimitMS || s.validatedOnce(r) {
			continue
		}
		if best < 0 || t.Throughput.Value.Or(0) > s.trials[best].Throughput.Value.Or(0) {
			best = r.Stands
		}
	}
	return best
}

// open is the index of the trial that stands for the most promising setting that
// could not be validated, -1 without one.
func (s *run) open() int {
	if i := s.favourite(); i >= 0 {
		return i
	}
	if i := s.hopeful(); i >= 0 {
		return i
	}
	best := -1 // of those whose validation was left open
	for _, r := range s.rows() {
		if !s.validatedOnce(r) || r.Verdict().Seems() != trial.Undecided {
			continue
		}
		if best < 0 || r.Joined.Throughput.Value.Or(0) > s.trials[best].Throughput.Value.Or(0) {
			best = r.Stands
		}
	}
	return best
}
