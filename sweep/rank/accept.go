package rank

import (
	"fmt"
	"math"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Favourites are the rows that look like a pass, best first. A setting that fails
// under another load of the plan comes after those that fail under none. Where the
// highest rate is looked for, a setting is out of it from the lowest rate on at
// which it did not hold.
func (k Ranking) Candidates() []Row {
	broken := map[string]float64{} // the lowest rate that did not hold
	failed := map[string]bool{}    // settings that fail under a load
	for _, r := range k.Rows {
		t := r.Joined
		if k.failedOrUnconfirmed(r) {
			q := k.rateGroup(t)
			if lowest, known := broken[q]; !known || t.Load.Rate < lowest {
				broken[q] = t.Load.Rate
			}
		}
		failed[t.Settings.String()] = failed[t.Settings.String()] || t.Verdict.Likely() == trial.Fail
	}
	var first, second []Row
	for _, r := range k.InOrder() {
		t := r.Joined
		switch {
		case t.Verdict.Likely() != trial.Pass || t.Load.Rate >= lowestRate(broken, k.rateGroup(t)):
		case k.isCapacity() || !failed[t.Settings.String()]:
			first = append(first, r)
		default:
			second = append(second, r)
		}
	}
	return append(first, second...)
}

// Chosen is what is recommended: the best of the favourites that a validation
// confirmed; false without one.
func (k Ranking) Chosen() (chosen Row, ok bool) {
	for _, r := range k.Candidates() {
		if r.Validated {
			return r, true
		}
	}
	return Row{}, false
}

// Hopeful is the undecided row with most throughput of those whose percentile was
// within the limit and which were not validated; false without one.
func (k Ranking) BestUndecided() (best Row, ok bool) {
	return k.fastest(func(r Row) bool {
		t := r.Joined
		v, known := t.Verdict.ValueMS.Get()
		return known && v <= t.Verdict.LimitMS && !r.FromValidations() &&
			t.Verdict.Result == trial.Undecided && t.Verdict.Likely() != trial.Fail
	})
}

// Open is the most promising row that nothing confirmed and nothing refuted: a
// favourite, else a hopeful one, else one whose validation was left open; false
// without one.
func (k Ranking) Unconfirmed() (open Row, ok bool) {
	if all := k.Candidates(); len(all) > 0 {
		return all[0], true
	}
	if r, ok := k.BestUndecided(); ok {
		return r, true
	}
	return k.fastest(func(r Row) bool { return r.FromValidations() && r.Verdict().Likely() == trial.Undecided })
}

// fastest is the row with most throughput of those wanted, held against that of the
// trial which stands for the one before.
func (k Ranking) fastest(wanted func(Row) bool) (best Row, ok bool) {
	for _, r := range k.Rows {
		if wanted(r) && (!ok || r.Joined.Throughput.Value.Or(0) > k.Trials[best.Representative].Throughput.Value.Or(0)) {
			best, ok = r, true
		}
	}
	return best, ok
}

func (k Ranking) isCapacity() bool { return k.Rules.Question == plan.Capacity }

// refuted tells whether a row speaks against its settings under its load: it
// fails, or a validation of a highest rate did not confirm it.
func (k Ranking) failedOrUnconfirmed(r Row) bool {
	return r.Verdict().Likely() == trial.Fail || k.isCapacity() && r.FromValidations() && !r.Validated
}

// question is what makes two rows answers to the same question. Where the highest
// rate is looked for, what fails at one rate fails at all above it.
func (k Ranking) rateGroup(t trial.Trial) string {
	if k.isCapacity() {
		t.Load.Rate = 0
	}
	return fmt.Sprint(t.Settings, t.Load)
}

// lowest is the rate from which on settings did not hold, +Inf if none is known.
func lowestRate(broken map[string]float64, question string) float64 {
	if rate, known := broken[question]; known {
		return rate
	}
	return math.Inf(1)
}
