package profiles_test

import (
	"bytes"
	"strings"
	"testing"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// TestCorrected: if a trial has a corrected P99, the table has another column after the
// measured one.
func TestCorrected(t *testing.T) {
	show := func(ts ...trial.Trial) string {
		var b bytes.Buffer
		if err := profiles.WriteShow(&b, profileOf("x", ts...), profiles.Style{}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if text := show(sampleTrial(1)); strings.Contains(text, "corrected") {
		t.Errorf("no trial has a corrected P99:\n%s", text)
	}
	with := sampleTrial(2)
	with.P99Corrected = trial.NumOf(77.7)
	text := show(sampleTrial(1), with)
	var titles, row string
	for line := range strings.Lines(text) {
		switch {
		case strings.Contains(line, "corrected"):
			titles = line
		case strings.Contains(line, "77.7"):
			row = line
		}
	}
	if !strings.Contains(titles, "P99 ms  corrected  model P99") {
		t.Fatalf("no separate column:\n%s", text)
	}
	if end := strings.Index(titles, "corrected") + len("corrected"); !strings.HasSuffix(row[:end], " 77.7") {
		t.Errorf("77.7 is not below its title:\n%s%s", titles, row)
	}
}
