package tui

import (
	"strings"
	"testing"

	"sweetspot/sweep/trial"
)

// TestTrialLengths: batches that were split and padding are one line of a trial, if its requests
// had different lengths.
func TestTrialLengths(t *testing.T) {
	sc := newScreen(t, 120, 36, swept())
	sc.press("2", "b")
	if strings.Contains(sc.plainFrame(), "padding") {
		t.Error("padding is shown for requests of one length")
	}
	sc.selectedTrial().Lengths = &trial.Lengths{Split: trial.NumOf(.4), Runs: trial.NumOf(2.25), Padding: trial.NumOf(.118)}
	if want := "split 40%, 2.2 runs a batch  padding 12%"; !strings.Contains(sc.plainFrame(), want) {
		t.Errorf("no %q on\n%s", want, sc.plainFrame())
	}
}
