package search_test

import (
	"strings"
	"testing"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

func TestExplainNone(t *testing.T) {
	at := func(l load.Spec, rates ...float64) []trial.Trial {
		var out []trial.Trial
		for _, r := range rates {
			x := trial.Trial{Load: l}
			x.Throughput.Value = trial.Of(r)
			out = append(out, x)
		}
		return out
	}
	ten := load.Spec{Concurrency: 10}
	promise := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
	model := promise
	model.Latency = trial.Model
	for _, tt := range []struct {
		name   string
		trials []trial.Trial
		sla    trial.SLA
		want   string // its beginning
	}{
		{"too many clients", at(ten, 3.45, 85.29, 54), promise, "10 requests in flight at 85.3 requests/s, the most that any setting did, take 117 ms on average"},
		{"possible", at(ten, 120), promise, ""},
		{"model latency", at(ten, 85.29), model, ""},
		{"open", at(load.Spec{Mode: load.Open, Rate: 90}, 85), promise, ""},
		{"matched", at(load.Spec{Concurrency: 8, Matched: true}, 10), promise, ""},
		{"nothing measured", at(ten, 0), promise, ""},
		{"no trials", nil, promise, ""},
	} {
		got := search.ExplainNone(tt.trials, tt.sla)
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
