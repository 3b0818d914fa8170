package sweep

import (
	"testing"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// TestUseCertain checks that the certain answer that ended a run replaces an undecided result, but
// not if the percentile is on the other side of the limit, and not of a validation.
func TestUseCertain(t *testing.T) {
	type change func(*stoppingRule, *trial.Result)
	for _, c := range []struct {
		name   string
		value  float64
		answer stat.Answer // the one that ended the run
		change change
		want   trial.Answer
	}{
		{"a pass", 95, stat.Pass, nil, trial.Pass},
		{"a failure", 105, stat.Fail, nil, trial.Fail},
		{"no answer", 95, stat.Undecided, nil, trial.Undecided},
		{"a pass over the limit", 130, stat.Pass, nil, trial.Undecided},
		{"a failure within the limit", 95, stat.Fail, nil, trial.Undecided},
		{"a pass with errors", 95, stat.Pass, func(_ *stoppingRule, r *trial.Result) { r.Counts.Sent, r.Counts.Timeout = 1000, 1 }, trial.Undecided},
		{"a pass without a percentile", 0, stat.Pass, func(_ *stoppingRule, r *trial.Result) { r.Verdict.ValueMS = trial.Num{} }, trial.Undecided},
		{"a validation", 95, stat.Pass, func(w *stoppingRule, _ *trial.Result) { w.purpose = untilValidated }, trial.Undecided},
		{"a failure of a validation", 105, stat.Fail, func(w *stoppingRule, _ *trial.Result) { w.purpose = untilValidated }, trial.Undecided},
		{"a fixed length", 95, stat.Pass, func(w *stoppingRule, _ *trial.Result) { w.purpose = fixedLength }, trial.Undecided},
		{"a disturbed machine", 95, stat.Pass, func(_ *stoppingRule, r *trial.Result) { r.Blocks.Disturbed = 3 }, trial.Undecided},
		{"a limited generator", 105, stat.Fail, func(_ *stoppingRule, r *trial.Result) { r.GeneratorLimited = true }, trial.Undecided},
		{"a failure because of errors", 105, stat.Fail, func(w *stoppingRule, _ *trial.Result) { w.certain.byPercentile = false }, trial.Undecided},
		{"a result that is certain", 95, stat.Fail, func(_ *stoppingRule, r *trial.Result) { r.Verdict.Result = trial.Pass }, trial.Pass},
	} {
		w := &stoppingRule{load: load.Spec{Concurrency: 1}, certain: decision{answer: c.answer, leaning: c.answer, byPercentile: true, why: "certain after 488 requests"}}
		r := trial.Result{Verdict: trial.Verdict{ValueMS: trial.NumOf(c.value), LimitMS: 100}}
		if c.change != nil {
			c.change(w, &r)
		}
		before := r.Verdict.Result
		w.useCertain(&r)
		if r.Verdict.Result != c.want {
			t.Errorf("%s: %v, want %v", c.name, r.Verdict.Result, c.want)
		}
		if replaced := r.Verdict.Why != ""; replaced != (r.Verdict.Result != before) {
			t.Errorf("%s: %v, reason %q", c.name, r.Verdict.Result, r.Verdict.Why)
		}
	}
}
