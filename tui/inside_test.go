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

func (b *bench) Bare() error      { return b.note("bare") }
func (b *bench) Operators() error { return b.note("operators") }

// profiled has the operator times of the settings in force.
func profiled() *session.Snapshot {
	s := serving()
	s.Inside.Operators = &trial.Operators{
		Settings: s.Settings, Runs: 99, BatchSize: 8, RunMS: trial.NumOf(4.02),
		Operators: []trial.Operator{
			{Name: "FusedGemm", Share: .671, MS: trial.NumOf(2.697), Calls: 2},
			{Name: "Gemm", Share: .321, MS: trial.NumOf(1.29), Calls: 1},
			{Name: "ReorderOutputWithAVeryLongName", Share: .008, MS: trial.NumOf(.033), Calls: 1200},
		},
	}
	return s
}

// measuring waits for the first ones.
func measuring() *session.Snapshot {
	s := serving()
	s.Inside.Measuring = session.AskOperators
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
	if !slices.Equal(sc.bench.calls, []string{"operators"}) {
		t.Errorf("t calls %q", sc.bench.calls)
	}
	shows("asked", "nothing measured yet: t measures")
	sc.show(func(s *session.Snapshot) { s.Inside.Measuring = session.AskOperators })
	shows("measuring", "measuring on a twin of the model; the load goes on")
	sc.press("t")
	sc.show(func(s *session.Snapshot) { s.Inside = profiled().Inside })
	shows("measured", "FusedGemm", "67.1%", "2.70", "4.02 ms a run of batch 8, 99 runs")
	sc.press("esc", "t")
	if len(sc.bench.calls) != 1 {
		t.Errorf("what is known or under way is asked for again: %q", sc.bench.calls)
	}
	sc.press("t")
	if len(sc.bench.calls) != 2 {
		t.Errorf("t in the panel measures nothing: %q", sc.bench.calls)
	}
	sc.show(func(s *session.Snapshot) { s.Settings.Workers++ })
	shows("changed", "of other settings than those in force")
	sc.press("esc")
	sc.bench.refuse = errors.New("this target does not tell")
	sc.press("t")
	shows("refused", "this target does not tell")
	sc.show(func(s *session.Snapshot) { s.Phase = session.Sweeping })
	if why := sc.whyInside(); !strings.Contains(why, "p pauses it") || sc.whyOperators() != "" {
		t.Errorf("during a sweep: %q, and the last answer cannot be seen: %q", why, sc.whyOperators())
	}
}

// A long list scrolls, in every size.
func TestOperatorsScroll(t *testing.T) {
	s := profiled()
	for i := range 60 {
		s.Inside.Operators.Operators = append(s.Inside.Operators.Operators, trial.Operator{Name: fmt.Sprintf("Op%d", i)})
	}
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		sc := newScreen(t, size[0], size[1], s)
		sc.press("t")
		if text := sc.plainFrame(); !strings.Contains(text, "of 63") || strings.Contains(text, "Op59") {
			t.Errorf("%v: the list does not begin at its top:\n%s", size, text)
		}
		sc.press("end")
		if text := sc.plainFrame(); !strings.Contains(text, "Op59") || !strings.Contains(text, "Operator times") {
			t.Errorf("%v: the list does not end with its last:\n%s", size, text)
		}
		sc.press("down", "q")
		if sc.over != nil {
			t.Errorf("%v: a key that scrolls not keeps the panel open", size)
		}
	}
}

func TestBareOfTrial(t *testing.T) {
	s := swept()
	sc := newScreen(t, 120, 36, s)
	sc.press("2")
	if strings.Contains(sc.plainFrame(), "bare ") {
		t.Error("a bare rate that nobody measured")
	}
	sc.picked().Throughput.Value, sc.picked().BareRPS = trial.NumOf(600), trial.NumOf(800)
	if want := "bare 800/s 75%"; !strings.Contains(sc.plainFrame(), want) {
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
	check("known", "bare 752/s, served 85%")
	sc.press("w")
	if !slices.Equal(sc.bench.calls, []string{"bare"}) {
		t.Errorf("w calls %q", sc.bench.calls)
	}
	sc.show(func(s *session.Snapshot) { s.Inside.Measuring = session.AskBare })
	if got := text(); !strings.HasSuffix(got, " bare session, the load is held") || sc.whyInside() != "the bare session: being measured" {
		t.Errorf("measuring: %q, %q", got, sc.whyInside())
	}
	sc.show(func(s *session.Snapshot) { s.Inside.Measuring, s.Live.RPS = session.NoInquiry, trial.NumOf(900) })
	check("impossible", "bare 752/s was disturbed, w again")
	sc.show(func(s *session.Snapshot) { s.Inside.Measuring, s.Live.RPS = session.NoInquiry, trial.Num{} })
	check("no load", "bare 752/s")
	sc.show(func(s *session.Snapshot) { s.Settings.BatchDelay++ })
	check("another delay", "bare 752/s")
	sc.show(func(s *session.Snapshot) { s.Settings.Workers++ })
	check("another setting", "bare session n/a, w measures")
	sc.show(func(s *session.Snapshot) { s.Phase = session.Sweeping })
	check("a sweep", "")
}
