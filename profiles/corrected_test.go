package profiles_test

import (
	"bytes"
	"strings"
	"testing"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// TestCorrected: a corrected P99 has a column of its own beside the measured
// one, only where there is one.
func TestCorrected(t *testing.T) {
	show := func(ts ...trial.Trial) string {
		var b bytes.Buffer
		if err := profiles.WriteShow(&b, of("x", ts...), profiles.Style{}); err != nil {
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
	var head, row string
	for line := range strings.Lines(text) {
		switch {
		case strings.Contains(line, "corrected"):
			head = line
		case strings.Contains(line, "77.7"):
			row = line
		}
	}
	if !strings.Contains(head, "P99 ms  corrected  model P99") {
		t.Fatalf("no column of its own:\n%s", text)
	}
	if end := strings.Index(head, "corrected") + len("corrected"); !strings.HasSuffix(row[:end], " 77.7") {
		t.Errorf("77.7 is not below its head:\n%s%s", head, row)
	}
}
