package trial_test

import (
	"strings"
	"testing"
	"time"

	"sweetspot/sweep/trial"
)

func TestRestate(t *testing.T) {
	was := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond, MaxErrorRate: .01}
	with := func(change func(*trial.SLA)) trial.SLA {
		s := was
		change(&s)
		return s
	}
	same := was
	looser := with(func(s *trial.SLA) { s.Limit = 200 * time.Millisecond })
	tighter := with(func(s *trial.SLA) { s.Limit = 15 * time.Millisecond })
	for _, c := range []struct {
		name   string
		result trial.Answer
		now    trial.SLA
		ok     bool
	}{
		{"pass, same", trial.Pass, same, true},
		{"fail, same", trial.Fail, same, true},
		{"undecided, same", trial.Undecided, same, true},
		{"pass, looser", trial.Pass, looser, true},
		{"pass, tighter", trial.Pass, tighter, false},
		{"fail, looser", trial.Fail, looser, false},
		{"fail, tighter", trial.Fail, tighter, true},
		{"undecided, looser", trial.Undecided, looser, false},
		{"undecided, tighter", trial.Undecided, tighter, false},
		{"lower percentile", trial.Pass, with(func(s *trial.SLA) { s.Percentile = 95 }), false},
		{"higher percentile", trial.Pass, with(func(s *trial.SLA) { s.Percentile = 99.9 }), false},
		{"other latency", trial.Pass, with(func(s *trial.SLA) { s.Latency = trial.ModelLatency }), false},
		{"more errors", trial.Pass, with(func(s *trial.SLA) { s.MaxErrorRate = .02 }), false},
		{"fewer errors", trial.Fail, with(func(s *trial.SLA) { s.MaxErrorRate = 0 }), false},
		{"looser, and more errors", trial.Pass, with(func(s *trial.SLA) { s.Limit, s.MaxErrorRate = time.Second, .02 }), false},
	} {
		v := trial.Verdict{
			Result: c.result, Percentile: 99, LimitMS: 100, ErrorRate: trial.NumOf(.004), Why: "certain after 2210 requests",
			ValueMS: trial.NumOf(39.2), LowMS: trial.NumOf(38), HighMS: trial.NumOf(41),
		}
		got, ok := v.Restate(was, c.now)
		if ok != c.ok {
			t.Errorf("%s: restated %v, want %v", c.name, ok, c.ok)
		}
		if !ok || c.now == was {
			if got != v {
				t.Errorf("%s: %+v, want no change", c.name, got)
			}
			continue
		}
		if got.Result != v.Result || got.ValueMS != v.ValueMS || got.LowMS != v.LowMS || got.HighMS != v.HighMS || got.ErrorRate != v.ErrorRate {
			t.Errorf("%s: %+v, want the values of %+v", c.name, got, v)
		}
		if got.LimitMS != float64(c.now.Limit)/1e6 || !strings.Contains(got.Why, "from the limit of 100ms: certain after 2210 requests") {
			t.Errorf("%s: limit %g, why %q", c.name, got.LimitMS, got.Why)
		}
	}
}

// TestRestateOtherSLA checks that a verdict for another SLA than from is not restated. A merged
// profile may have such verdicts.
func TestRestateOtherSLA(t *testing.T) {
	was := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
	for _, v := range []trial.Verdict{
		{Result: trial.Pass, Percentile: 99, LimitMS: 250},
		{Result: trial.Pass, Percentile: 95, LimitMS: 100},
		{Result: trial.Pass, Percentile: 99, LimitMS: 100, Latency: trial.ModelLatency},
		{Result: trial.Pass},
	} {
		if _, ok := v.Restate(was, was); ok {
			t.Errorf("%+v was restated as a verdict for %v", v, was)
		}
	}
}
