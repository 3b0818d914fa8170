package tui

import (
	"testing"

	"sweetspot/sweep/trial"
)

func TestShortPath(t *testing.T) {
	t.Setenv("HOME", "/home/ada")
	for path, want := range map[string]string{
		"/home/ada/x.jsonl": "~/x.jsonl", "/home/adam/x": "/home/adam/x", "/home/ada": "/home/ada",
		"x": "x", "": "", "/home/ada/my profiles/x": "/home/ada/my profiles/x", // the shell would not read it as one word
	} {
		if got := shortPath(path); got != want {
			t.Errorf("shortPath(%q) = %q, want %q", path, got, want)
		}
	}
	t.Setenv("HOME", "")
	if got := shortPath("/x"); got != "/x" {
		t.Errorf("without a home: %q", got)
	}
}

// The percentile is that of the promise, not always P99.
func TestRateAtPercentile(t *testing.T) {
	row := &trial.Trial{}
	row.Throughput.Value, row.Verdict.ValueMS, row.Latency.P99.Value = trial.NumOf(528), trial.NumOf(41.2), trial.NumOf(80)
	if got, want := rateAtPercentile(row, trial.SLA{Percentile: 90}), "528/s at P90 41.2 ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := rateAtPercentile(row, trial.SLA{Percentile: 99}), "528/s at P99 80.0 ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
