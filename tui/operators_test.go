package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// withOperators is serving with operator times of the settings in force.
func withOperators() *session.Snapshot {
	s := serving()
	s.Internals.Operators = &trial.Operators{
		Settings: s.Settings, Runs: 99, BatchSize: 8, RunMS: trial.NumOf(4.02),
		Operators: []trial.Operator{
			{Name: "FusedGemm", Share: .671, MS: trial.NumOf(2.697), Calls: 2},
			{Name: "Gemm", Share: .321, MS: trial.NumOf(1.29), Calls: 1},
			{Name: "ReorderOutputWithAVeryLongName", Share: .008, MS: trial.NumOf(.033), Calls: 1200},
		},
	}
	return s
}

// measuringOperators is serving while operator times are measured for the first time.
func measuringOperators() *session.Snapshot {
	s := serving()
	s.Internals.Measuring = session.QueryOperators
	return s
}

func TestOperators(t *testing.T) {
	sc := newScreen(t, 120, 36, serving())
	shows := func(what string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(sc.plainFrame(), p) {
				t.Errorf("%s: no %q on\n%s", what, p, sc.plainFrame())
			}
		}
	}
	sc.press("t")
	if !slices.Equal(sc.workbench.calls, []string{"operators"}) {
		t.Errorf("t calls %q", sc.workbench.calls)
	}
	shows("action queued", "nothing measured yet: t measures")
	sc.show(func(s *session.Snapshot) { s.Internals.Measuring = session.QueryOperators })
	shows("measuring", "measuring in a second session; the load continues")
	sc.press("t")
	sc.show(func(s *session.Snapshot) { s.Internals = withOperators().Internals })
	shows("measured", "FusedGemm", "67.1%", "2.70", "4.02 ms per run of batch 8, 99 runs")
	sc.press("esc", "t")
	if len(sc.workbench.calls) != 1 {
		t.Errorf("times that are measured already are measured again: %q", sc.workbench.calls)
	}
	sc.press("t")
	if len(sc.workbench.calls) != 2 {
		t.Errorf("t in the dialog does not measure: %q", sc.workbench.calls)
	}
	sc.show(func(s *session.Snapshot) { s.Settings.Workers++ })
	shows("changed", "measured with other settings than those in force")
	sc.press("esc")
	sc.workbench.err = errors.New("this target has no operator times")
	sc.press("t")
	shows("refused", "this target has no operator times")
	sc.show(func(s *session.Snapshot) { s.Phase = session.Sweeping })
	if why := sc.cannotMeasure(); !strings.Contains(why, "p pauses it") || sc.cannotShowOperators() != "" {
		t.Errorf("during a sweep: measuring is refused with %q, and showing the last times with %q", why, sc.cannotShowOperators())
	}
}

// A long list scrolls in all layouts.
func TestOperatorsScroll(t *testing.T) {
	s := withOperators()
	for i := range 60 {
		s.Internals.Operators.Operators = append(s.Internals.Operators.Operators, trial.Operator{Name: fmt.Sprintf("Op%d", i)})
	}
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		sc := newScreen(t, size[0], size[1], s)
		sc.press("t")
		if text := sc.plainFrame(); !strings.Contains(text, "of 63") || strings.Contains(text, "Op59") {
			t.Errorf("%v: the list does not start with the first operators:\n%s", size, text)
		}
		sc.press("end")
		if text := sc.plainFrame(); !strings.Contains(text, "Op59") || !strings.Contains(text, "Operator times") {
			t.Errorf("%v: the list does not end with the last operator:\n%s", size, text)
		}
		sc.press("down", "q")
		if sc.dialog != nil {
			t.Errorf("%v: the dialog is open after a key that does not scroll", size)
		}
	}
}
