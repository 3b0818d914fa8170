package rank

import (
	"fmt"
	"math"
	"slices"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Candidates returns the rows that meet the SLA and the constraints with right answers ([Rules.Meets]), best first. A setting
// that fails under another load, or exceeds a constraint there, comes after those that do under none. For
// question capacity it omits rates at or above the lowest rate at which a setting failed
// or was not confirmed.
func (k Ranking) Candidates() []Row {
	failedRates := map[string]float64{} // lowest rate that failed or was not confirmed, by rowKey
	failed := map[string]bool{}         // settings that fail under a load
	for _, r := range k.Rows {
		t := r.Joined
		if k.failedOrUnconfirmed(r) {
			key := k.rowKey(t)
			if lowest, exists := failedRates[key]; !exists || t.Load.Rate < lowest {
				failedRates[key] = t.Load.Rate
			}
		}
		failed[t.Settings.String()] = failed[t.Settings.String()] || t.Verdict.Likely() == trial.Fail || k.Rules.Exceeds(t)
	}
	var first, second []Row
	for _, r := range k.InOrder() {
		t := r.Joined
		switch {
		case !k.Rules.Meets(t) || t.Load.Rate >= lowestRate(failedRates, k.rowKey(t)):
		case k.isCapacity() || !failed[t.Settings.String()]:
			first = append(first, r)
		default:
			second = append(second, r)
		}
	}
	return append(first, second...)
}

// Chosen returns the row to recommend: the best candidate that a validation confirmed; false if
// there is none. If a narrow pass of a rate was confirmed by a lower rate, it is that one. Of
// candidates that are equal within noise in the objective, the first one that is confirmed under all loads of
// the plan is chosen.
func (k Ranking) Chosen() (chosen Row, ok bool) {
	return k.ChosenOf(func(r Row) bool { return r.Validated })
}

// ChosenOf is Chosen of the rows that accept accepts instead of those that a validation confirmed.
func (k Ranking) ChosenOf(accept func(Row) bool) (chosen Row, ok bool) {
	accepted := slices.DeleteFunc(k.Candidates(), func(r Row) bool { return !accept(r) })
	if len(accepted) == 0 {
		return Row{}, false
	}
	best := accepted[0]
	if lower, ok := k.ConfirmedBelow(best); ok && accept(lower) {
		return lower, true
	}
	for _, r := range accepted {
		if r.Joined.Load == best.Joined.Load && k.Rules.equal(r.Joined, best.Joined) && k.UnderAllLoads(r) == trial.Pass {
			return r, true
		}
	}
	return best, true
}

// ConfirmedBelow returns, for question capacity and a row with a narrow pass, the highest lower rate of its settings that a
// validation confirmed; false if there is none.
func (k Ranking) ConfirmedBelow(r Row) (lower Row, ok bool) {
	if k.Rules.Question != plan.Capacity || !r.Narrow {
		return Row{}, false
	}
	for _, o := range k.Rows {
		if o.Validated && k.Rules.Meets(o.Joined) && k.rowKey(o.Joined) == k.rowKey(r.Joined) && o.Joined.Load.Rate < r.Joined.Load.Rate &&
			(!ok || o.Joined.Load.Rate > lower.Joined.Load.Rate) {
			lower, ok = o, true
		}
	}
	return lower, ok
}

// BestUndecided returns the undecided row with the highest throughput among those whose percentile
// is within the limit, that are not a likely failure and not validated; false if there is none.
func (k Ranking) BestUndecided() (best Row, ok bool) {
	return k.fastest(func(r Row) bool {
		t := r.Joined
		v, ok := t.Verdict.ValueMS.Get()
		return ok && v <= t.Verdict.LimitMS && t.WrongAnswers(k.Rules.AcceptFP16) == "" && !r.FromValidations() &&
			t.Verdict.Result == trial.Undecided && t.Verdict.Likely() != trial.Fail
	})
}

// FewerReplicas returns, for question replicas, the best undecided row, if it needs fewer replicas than
// the best candidate: a long validation may decide it. False if there is none.
func (k Ranking) FewerReplicas() (row Row, ok bool) {
	if k.Rules.Question != plan.Replicas {
		return Row{}, false
	}
	r, ok := k.BestUndecided()
	candidates := k.Candidates()
	if !ok || len(candidates) > 0 && k.Rules.ReplicasFor(r.Joined.Load.Rate) >= k.Rules.ReplicasFor(candidates[0].Joined.Load.Rate) {
		return Row{}, false
	}
	return r, true
}

// Unconfirmed returns the best row that was neither confirmed by a validation nor failed:
// the first candidate, else the best undecided row, else the fastest row whose validation
// was undecided; false if there is none.
func (k Ranking) Unconfirmed() (row Row, ok bool) {
	if all := k.Candidates(); len(all) > 0 {
		return all[0], true
	}
	if r, ok := k.BestUndecided(); ok {
		return r, true
	}
	return k.fastest(func(r Row) bool {
		return r.FromValidations() && r.Verdict().Likely() == trial.Undecided && r.Joined.WrongAnswers(k.Rules.AcceptFP16) == ""
	})
}

// fastest returns the row with the highest throughput of those for which match is true. It
// compares the throughput of each row with that of the representative of the best so far.
func (k Ranking) fastest(match func(Row) bool) (best Row, ok bool) {
	for _, r := range k.Rows {
		if match(r) && (!ok || r.Joined.Throughput.Value.Or(0) > k.Trials[best.Representative].Throughput.Value.Or(0)) {
			best, ok = r, true
		}
	}
	return best, ok
}

func (k Ranking) isCapacity() bool { return k.Rules.Question.SeeksRate() }

// failedOrUnconfirmed reports whether a row fails, or, for question capacity, was not confirmed by
// its validation.
func (k Ranking) failedOrUnconfirmed(r Row) bool {
	return r.Verdict().Likely() == trial.Fail || k.isCapacity() && r.FromValidations() && !r.Validated
}

// rowKey returns a text that identifies the settings and the load of a trial. For question capacity the rate
// is not part of it, because settings that fail at one rate fail at all higher ones.
func (k Ranking) rowKey(t trial.Trial) string {
	if k.isCapacity() {
		t.Load.Rate = 0
	}
	return fmt.Sprint(t.Settings, t.Load)
}

// lowestRate returns the rate for a key, +Inf if there is none.
func lowestRate(rates map[string]float64, key string) float64 {
	if rate, exists := rates[key]; exists {
		return rate
	}
	return math.Inf(1)
}
