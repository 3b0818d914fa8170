package load_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/load"
)

func TestSpecJSON(t *testing.T) {
	tests := []struct {
		spec load.Spec
		json string
		text string
	}{
		{load.Spec{Concurrency: 10}, `{"mode":"closed","concurrency":10}`, "concurrency 10"},
		{load.Spec{Matched: true}, `{"mode":"closed","matched":true}`, "matched"},
		{load.Spec{Matched: true}.For(16), `{"mode":"closed","concurrency":16,"matched":true}`, "matched concurrency 16"},
		{load.Spec{Concurrency: 4}.For(16), `{"mode":"closed","concurrency":4}`, "concurrency 4"},
		{load.Spec{Mode: load.Open, Rate: 50}, `{"mode":"open","rate":50,"arrivals":"poisson"}`, "open 50/s poisson"},
		{open(.5), `{"mode":"open","rate":0.5,"arrivals":"constant"}`, "open 0.5/s constant"},
		{ramp(.5, 20.25, 1500*time.Millisecond), `{"mode":"ramp","from":0.5,"to":20.25,"over_ms":1500,"arrivals":"constant"}`, "ramp 0.5-20.25/s over 1.5s constant"},
		{load.Spec{Mode: load.Trace, File: "a.csv"}, `{"mode":"trace","file":"a.csv"}`, "trace a.csv"}, // of older profiles
		{
			load.Spec{Mode: load.Trace, File: "a.csv", SHA256: "0123456789abcdef", Over: 1500 * time.Millisecond},
			`{"mode":"trace","over_ms":1500,"file":"a.csv","sha256":"0123456789abcdef"}`, "trace a.csv over 1.5s (sha256 01234567)",
		},
	}
	for _, c := range tests {
		b, err := json.Marshal(c.spec)
		if err != nil || string(b) != c.json {
			t.Errorf("Marshal(%+v) = %s, %v, want %s", c.spec, b, err, c.json)
		}
		var back load.Spec
		if err := json.Unmarshal(b, &back); err != nil || back != c.spec {
			t.Errorf("Unmarshal(%s) = %+v, %v, want %+v", b, back, err, c.spec)
		}
		if got := c.spec.String(); got != c.text {
			t.Errorf("%+v = %q, want %q", c.spec, got, c.text)
		}
	}
	for _, bad := range []string{`{"mode":"burst"}`, `{"mode":"open","arrivals":"bursts"}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), new(load.Spec)); err == nil {
			t.Errorf("Unmarshal(%s) was accepted", bad)
		}
	}
}

func TestCount(t *testing.T) {
	got := load.Count([]load.Sample{
		{Status: 200},
		{Status: 200},
		{Status: 503, Outcome: load.Refused},
		{Status: 500, Outcome: load.Failed},
		{Outcome: load.Failed},
		{Outcome: load.Timeout},
	})
	want := load.Tally{OK: 2, Refused: 1, Failed: 2, Timeout: 1, Status: map[int]int{200: 2, 500: 1, 503: 1}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Count (-want +got):\n%s", d)
	}
}
