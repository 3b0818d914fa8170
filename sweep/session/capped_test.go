package session

import (
	"strings"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// TestCappedLiveTraffic: live traffic that the largest rate holds back has no verdict.
func TestCappedLiveTraffic(t *testing.T) {
	for _, c := range []struct {
		latency time.Duration
		held    int // of 100 requests
		want    trial.Answer
	}{
		{time.Millisecond, 0, trial.Pass},
		{time.Millisecond, 1, trial.Pass},
		{time.Millisecond, 2, trial.Undecided},
		{time.Second, 0, trial.Fail},
		{time.Second, 90, trial.Undecided},
	} {
		r := ring{sla: trial.SLA{Percentile: 50, Limit: 100 * time.Millisecond}, load: load.Spec{Concurrency: 4}}
		at := time.Unix(0, 0)
		for range 20 {
			for i := range 100 {
				r.add(load.Sample{Latency: c.latency, Held: i < c.held})
			}
			at = at.Add(time.Second)
			r.endSecond(at, trial.ResourceUse{}, sweep.Host{})
		}
		live := r.snapshot(trial.ResourceUse{}, sweep.Host{})
		capped := strings.Contains(live.Verdict.Why, "--max-rate held back")
		if live.Verdict.Result != c.want || capped != (c.want == trial.Undecided) || capped && live.More != 0 {
			t.Errorf("%+v: %s, %s, more %v", c, live.Verdict.Result, live.Verdict.Why, live.More)
		}
	}
}
