package sweep

import (
	"testing"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// A time without an answer is reported once it is longer than answers take; a timeout is no answer.
func TestWatchSilent(t *testing.T) {
	const s = time.Second
	ok, timeout := load.Sample{Outcome: load.OK}, load.Sample{Outcome: load.Timeout}
	type step struct {
		at      time.Duration
		samples []load.Sample
		want    time.Duration
	}
	for _, c := range []struct {
		name  string
		limit time.Duration
		steps []step
	}{
		{"answers", s / 10, []step{{s, []load.Sample{ok}, 0}, {4 * s, []load.Sample{ok, ok}, 0}}},
		{"none yet", s / 10, []step{{2 * s, nil, 0}, {4 * s, nil, 4 * s}}},
		{"none any more", s / 10, []step{{5 * s, []load.Sample{ok}, 0}, {9 * s, []load.Sample{ok}, 4 * s}, {10 * s, []load.Sample{ok, ok}, 0}}},
		{"timeouts only", s / 10, []step{{5 * s, []load.Sample{ok}, 0}, {9 * s, []load.Sample{ok, timeout}, 4 * s}}},
		{"a slow model", 10 * s, []step{{19 * s, nil, 0}, {20 * s, nil, 20 * s}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var cur Current
			var seen observed
			watch := (&run{Runner: &Runner{SLA: trial.SLA{Limit: c.limit}}}).watch(&cur, &seen, nil)
			for _, x := range c.steps {
				watch(x.at, x.samples)
				if cur.Silent != x.want || cur.Answers != len(x.samples) {
					t.Errorf("after %v: silent for %v with %d answers, want %v with %d", x.at, cur.Silent, cur.Answers, x.want, len(x.samples))
				}
			}
		})
	}
}
