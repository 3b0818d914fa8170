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
func (k Ranking) Favourites() []Row {
	broken := map[string]float64{} // the lowest rate that did not hold
	failed := map[string]bool{}    // settings that fail under a load
	for _, r := range k.Rows {
		t := r.Joined
		if k.refuted(r) {
			q := k.question(t)
			if lowest, known := broken[q]; !known || t.Load.Rate < lowest {
				broken[q] = t.Load.Rate
			}
		}
		failed[t.Settings.String()] = failed[t.Settings.String()] || t.Verdict.Seems() == trial.Fail
	}
	var first, second []Row
	for _, r := range k.InOrder() {
		t := r.Joined
		switch {
		case t.Verdict.Seems() != trial.Pass || t.Load.Rate >= lowest(broken, k.question(t)):
		case k.capacity() || !failed[t.Settings.String()]:
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
	for _, r := range k.Favourites() {
		if r.Validated {
			return r, true
		}
	}
	return Row{}, false
}

// Hopeful is the undecided row with most throughput of those whose percentile was
// within the limit and which were not validated; false without one.
func (k Ranking) Hopeful() (best Row, ok bool) {
	return k.fastest(func(r Row) bool {
		t := r.Joined
		v, known := t.Verdict.ValueMS.Get()
		return known && v <= t.Verdict.LimitMS && !r.ByValidation() &&
			t.Verdict.Result == trial.Undecided && t.Verdict.Seems() != trial.Fail
	})
}

// Open is the most promising row that nothing confirmed and nothing refuted: a
// favourite, else a hopeful one, else one whose validation was left open; false
// without one.
func (k Ranking) Open() (open Row, ok bool) {
	if all := k.Favourites(); len(all) > 0 {
		return all[0], true
	}
	if r, ok := k.Hopeful(); ok {
		return r, true
	}
	return k.fastest(func(r Row) bool { return r.ByValidation() && r.Verdict().Seems() == trial.Undecided })
}

// fastest is the row with most throughput of those wanted, held against that of the
// trial which stands for the one before.
func (k Ranking) fastest(wanted func(Row) bool) (best Row, ok bool) {
	for _, r := range k.Rows {
		if wanted(r) && (!ok || r.Joined.Throughput.Value.Or(0) > k.Trials[best.Stands].Throughput.Value.Or(0)) {
			best, ok = r, true
		}
	}
	return best, ok
}

func (k Ranking) capacity() bool { return k.Rules.Question == plan.Capacity }

// refuted tells whether a row speaks against its settings under its load: it
// fails, or a validation of a highest rate did not confirm it.
func (k Ranking) refuted(r Row) bool {
	return r.Verdict().Seems() == trial.Fail || k.capacity() && r.ByValidation() && !r.Validated
}

// question is what makes two rows answers to the same question. Where the highest
// rate is looked for, what fails at one rate fails at all above it.
func (k Ranking) question(t trial.Trial) string {
	if k.capacity() {
		t.Load.Rate = 0
	}
	return fmt.Sprint(t.Settings, t.Load)
}

// lowest is the rate from which on settings did not hold, +Inf if none is known.
func lowest(broken map[string]float64, question string) float64 {
	if rate, known := broken[question]; known {
		return rate
	}
	return math.Inf(1)
}
