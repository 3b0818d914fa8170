package tui

import (
	"slices"
	"strings"
	"testing"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

func TestTrialBare(t *testing.T) {
	s := swept()
	sc := newScreen(t, 120, 36, s)
	sc.press("2", "b")
	if strings.Contains(sc.plainFrame(), "bare ") {
		t.Error("a bare rate is shown, although none was measured")
	}
	sc.selectedTrial().Throughput.Value, sc.selectedTrial().BareRPS = trial.NumOf(600), trial.NumOf(800)
	if want := "alone 800/s 75%"; !strings.Contains(sc.plainFrame(), want) {
		t.Errorf("no %q on\n%s", want, sc.plainFrame())
	}
}

func TestBare(t *testing.T) {
	sc := newScreen(t, 120, 36, serving())
	text := func() string {
		var b strings.Builder
		for _, s := range sc.bareText() {
			b.WriteString(s.s)
		}
		return b.String()
	}
	check := func(what, want string) {
		t.Helper()
		if got := text(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("measured", "model alone 752/s, now 85%")
	sc.press("w")
	if !slices.Equal(sc.workbench.calls, []string{"bare"}) {
		t.Errorf("w calls %q", sc.workbench.calls)
	}
	sc.show(func(s *session.Snapshot) { s.Internals.Measuring = session.QueryBare })
	if got := text(); !strings.HasSuffix(got, " model alone, the load is held") || sc.cannotMeasure() != "the model alone: being measured" {
		t.Errorf("measuring: %q, %q", got, sc.cannotMeasure())
	}
	sc.show(func(s *session.Snapshot) { s.Internals.Measuring, s.Live.RPS = session.NoQuery, trial.NumOf(900) })
	check("throughput above the bare rate", "model alone 752/s was disturbed, w repeats it")
	sc.show(func(s *session.Snapshot) { s.Internals.Measuring, s.Live.RPS = session.NoQuery, trial.Num{} })
	check("no load", "model alone 752/s")
	sc.show(func(s *session.Snapshot) { s.Settings.BatchDelay++ })
	check("another delay", "model alone 752/s")
	sc.show(func(s *session.Snapshot) { s.Settings.Workers++ })
	check("another number of workers", "model alone n/a, w measures")
	sc.show(func(s *session.Snapshot) { s.Phase = session.Sweeping })
	check("a sweep", "")
}
