package trial_test

import (
	"fmt"
	"testing"

	"sweetspot/sweep/trial"
)

func TestDescribe(t *testing.T) {
	open := trial.Num{}
	for _, c := range []struct {
		name      string
		answer    trial.Answer
		value     float64
		low, high trial.Num
		want      string
	}{
		{"pass", trial.Pass, 22.1, trial.NumOf(18), trial.NumOf(24), "P99 of model latency 22.1 ms, 18.0-24.0 with 95%"},
		{"a pass with an open end", trial.Pass, 22.1, trial.NumOf(18), open, "P99 of model latency 22.1 ms, at most 25 with 95%"},
		{"a pass whose interval reaches beyond the limit", trial.Pass, 22.1, trial.NumOf(18), trial.NumOf(31), "P99 of model latency 22.1 ms, at most 25 with 95%"},
		{"FAIL", trial.Fail, 31, trial.NumOf(28), trial.NumOf(33), "P99 of model latency 31.0 ms, 28.0-33.0 with 95%"},
		{"FAIL with an open end", trial.Fail, 31, open, trial.NumOf(33), "P99 of model latency 31.0 ms, over 25 with 95%"},
		{"a FAIL because of errors", trial.Fail, 20, trial.NumOf(18), open, "P99 of model latency 20.0 ms, at least 18.0 with 95%"},
		{"undecided", trial.Undecided, 22.1, trial.NumOf(18), open, "P99 of model latency 22.1 ms, at least 18.0 with 95%"},
		{"undecided, open lower end", trial.Undecided, 22.1, open, trial.NumOf(30), "P99 of model latency 22.1 ms, at most 30.0 with 95%"},
		{"no interval", trial.Undecided, 22.1, open, open, "P99 of model latency 22.1 ms, without an interval"},
	} {
		v := trial.Verdict{Result: c.answer, Latency: trial.ModelLatency, Percentile: 99, LimitMS: 25, ValueMS: trial.NumOf(c.value), LowMS: c.low, HighMS: c.high}
		if got := v.Describe(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := (trial.Verdict{Percentile: 99}).Describe(); got != "P99 of request latency n/a ms" {
		t.Errorf("not measured: %q", got)
	}
}

func TestShortVerdict(t *testing.T) {
	refused := trial.Counts{Sent: 1000, OK: 968, Refused: 32}
	for _, c := range []struct {
		v      trial.Verdict
		counts trial.Counts
		want   string
	}{
		{trial.Verdict{Result: trial.Fail}, refused, "FAIL 3.2% refused"},
		{trial.Verdict{Leaning: trial.Fail}, refused, "FAIL? 3.2% refused"},
		{trial.Verdict{Result: trial.Fail}, trial.Counts{Sent: 1000, OK: 5, Refused: 995}, "FAIL 99.5% refused"},
		{trial.Verdict{Result: trial.Fail}, trial.Counts{Sent: 100000, OK: 1, Refused: 99999}, "FAIL 99.9% refused"},
		{trial.Verdict{Result: trial.Fail}, trial.Counts{Sent: 1000, Refused: 1000}, "FAIL 100% refused"},
		{trial.Verdict{Result: trial.Pass}, refused, "pass"},
		{trial.Verdict{Leaning: trial.Pass}, trial.Counts{}, "pass?"},
		{trial.Verdict{Result: trial.Fail}, trial.Counts{Sent: 1000, Refused: 5}, "FAIL"},
		{trial.Verdict{Result: trial.Fail}, trial.Counts{Sent: 1000, Timeout: 50}, "FAIL 5% timed out"},
		{trial.Verdict{Result: trial.Fail}, trial.Counts{Sent: 1000, Failed: 50, Refused: 7}, "FAIL 5.7% errors"},
	} {
		if got := (trial.Result{Verdict: c.v, Counts: c.counts}).ShortVerdict(.01); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestExplanationAdd(t *testing.T) {
	var y trial.Explanation
	y.Add("limits", "execution takes 9 ms.")
	y.Add("left out", "")
	y.Add("batches", "held 5 of 8")
	y.Add("limits", "the queue 8")
	if got, want := fmt.Sprint(y.Lines), "[limits    execution takes 9 ms; the queue 8 batches   held 5 of 8]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if want := "Limits: execution takes 9 ms. Batches: held 5 of 8. Limits: the queue 8."; y.Text != want {
		t.Errorf("%q, want %q", y.Text, want)
	}
}
