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

// TestLiveLengths: the live screen has the same two shares, at every size.
func TestLiveLengths(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 36}} {
		s := serving()
		s.Lengths = &trial.Lengths{Split: trial.NumOf(.4), Padding: trial.NumOf(.118)}
		sc := newScreen(t, size[0], size[1], s)
		if want := "batches split 40%, padding 12% of the work"; !strings.Contains(sc.plainFrame(), want) {
			t.Errorf("no %q on\n%s", want, sc.plainFrame())
		}
	}
}

// TestLiveAnswersDiffer: settings with wrong answers are a FAIL with the reason.
func TestLiveAnswersDiffer(t *testing.T) {
	s := serving()
	s.Answers = &trial.AnswerCheck{Compared: 8, Differ: 3}
	sc := newScreen(t, 120, 36, s)
	if want := "FAIL answers differ in batches: 3 of 8"; !strings.Contains(sc.plainFrame(), want) {
		t.Errorf("no %q on\n%s", want, sc.plainFrame())
	}
}
