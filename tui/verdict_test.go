package tui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// While the traffic before and after a change is compared, the status line says for how long.
func TestComparing(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.clock = sc.clock.Add(time.Minute)
	sc.show(func(s *session.Snapshot) {
		s.Comparing = &session.Comparing{N: 2, Since: sc.clock.Add(-12 * time.Second)}
	})
	requireTexts(t, sc.plainFrame(), "A2: comparing 12s with the traffic before it")
}

// The verdict line says the number, its share of the promise, the range and the window; why and how
// long it is undecided; and errors are never cut.
func TestVerdictLine(t *testing.T) {
	change := func(f func(*session.Snapshot)) func() *session.Snapshot {
		return func() *session.Snapshot { s := serving(); f(s); return s }
	}
	busy := sweep.Host{Cores: 2, Others: trial.NumOf(63), Steal: trial.NumOf(0), Load: trial.NumOf(5.2)}
	for _, c := range []struct {
		name string
		snap func() *session.Snapshot
		want []string
	}{
		{"pass", serving, []string{"PASS 15.2 ms (76%) 14.8–15.9 over 1s"}},
		{"undecided", change(func(s *session.Snapshot) {
			s.Live.Verdict = trial.Verdict{ValueMS: trial.NumOf(7), LowMS: trial.NumOf(6.5)}
			s.Live.Answers, s.Live.Over, s.Live.More = 5400, 0, 17*time.Second
		}), []string{"? undecided 7.00 ms (35%)", "0 of 5 400 over; ~20s more"}},
		{"errors", change(func(s *session.Snapshot) {
			s.Live.Verdict.Result, s.Live.Verdict.ErrorRate = trial.Fail, trial.NumOf(8./22312)
			s.Live.Errors, s.Live.Sent = 8, 22312
		}), []string{"FAIL 8 failed of 22 312 (0 allowed)"}},
		{"host", change(func(s *session.Snapshot) { s.Live.HostBusy, s.Live.Host = true, busy }), []string{"host busy 63%"}},
		{"errors that are allowed", change(func(s *session.Snapshot) { s.Live.Errors, s.Live.Sent, s.SLA.MaxErrorRate = 123, 22312, .01 }), []string{"123 errors"}},
		{"held", change(func(s *session.Snapshot) { s.LoadOn, s.HeldSince = false, epoch.Add(-15*time.Second) }), []string{"load held 15s"}},
	} {
		for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 15}} {
			sc := newScreen(t, size[0], size[1], c.snap())
			line := strings.Split(sc.plainFrame(), "\n")[1]
			for _, w := range c.want {
				if size[0] == 60 {
					w = strings.Split(w, " 14.8")[0]
				}
				line := strings.ReplaceAll(line, " 20 ms;", ";")
				if !strings.Contains(line, w) && (size[0] > 60 || !strings.HasPrefix(w, "0 of")) {
					t.Errorf("%s, %v: no %q in %q", c.name, size, w, line)
				}
			}
			if strings.Contains(line, "…") {
				t.Errorf("%s, %v: cut: %q", c.name, size, line)
			}
		}
	}
	// On the smallest screen the rest gives way to the number.
	small := newScreen(t, 40, 10, undecided())
	if line := strings.Split(small.plainFrame(), "\n")[1]; !strings.Contains(line, "? undecided 20.2 ms (101%)") || strings.Contains(line, "…") {
		t.Errorf("40x10: %q", line)
	}
	sc := newScreen(t, 120, 36, change(func(s *session.Snapshot) { s.Live.Host = busy })())
	requireTexts(t, sc.plainFrame(), "others 63% of 2, load 5.2")
}

// The errors beside a verdict are those of its window. Earlier ones, which a change has made history, are in the totals only.
func TestEarlierErrors(t *testing.T) {
	s := serving()
	s.Live.Totals.Failed = 123
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 16}} {
		frame := newScreen(t, size[0], size[1], s).plainFrame()
		if line := strings.Split(frame, "\n")[1]; !strings.Contains(line, "PASS") || strings.Contains(line, "123") {
			t.Errorf("%v: %q", size, line)
		}
		requireTexts(t, frame, "123")
	}
}

// A best setting that was measured while others used the machine says so.
func TestBestOnBusyHost(t *testing.T) {
	s := swept()
	s.Sweep.Trials[4].Blocks.Disturbed = 7
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		sc := newScreen(t, size[0], size[1], s)
		sc.press("2")
		requireTexts(t, sc.plainFrame(), "(76%)  host busy")
	}
}

// What the last change did stays on the screen.
func TestEffect(t *testing.T) {
	s := serving()
	s.Effect = &session.Effect{N: 2, Figures: "P99 better (46-48 -> 15-16 ms), rate +208%"}
	requireTexts(t, newScreen(t, 80, 24, s).plainFrame(), "A2: P99 better (46-48 -> 15-16 ms), rate +208%")
	wide := newScreen(t, 120, 36, s).plainFrame()
	requireTexts(t, wide, "P99 better (46-48 -> 15-16", "rate +208%")
	s.Effect.N = 1 // of an earlier change
	if frame := newScreen(t, 80, 24, s).plainFrame(); strings.Contains(frame, "better") {
		t.Errorf("the effect of an earlier change:\n%s", frame)
	}
}

// Themes use neither bright black, which is the background in a Solarized theme, nor a background.
func TestThemeColours(t *testing.T) {
	for _, dark := range []bool{true, false} {
		for id, sgr := range newTheme(dark).sgr {
			for code := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(sgr, "\x1b["), "m"), ";") {
				if code == "90" || len(code) == 2 && code[0] == '4' || len(code) == 3 && strings.HasPrefix(code, "10") {
					t.Errorf("dark %v, style %d: %q", dark, id, sgr)
				}
			}
		}
	}
}

// The progress of a sweep is in the title bar of the terminal; that of a paused one is marked.
func TestProgressBar(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	if bar := sc.View().ProgressBar; bar != nil {
		t.Errorf("without a sweep: %+v", bar)
	}
	sc = newScreen(t, 80, 24, sweeping())
	if bar := sc.View().ProgressBar; bar == nil || bar.State != tea.ProgressBarDefault || bar.Value != 29 {
		t.Errorf("7 of 24 trials: %+v", bar)
	}
	sc.show(func(s *session.Snapshot) { w := *s.Sweep; w.State = session.Paused; s.Sweep = &w })
	if bar := sc.View().ProgressBar; bar == nil || bar.State != tea.ProgressBarWarning {
		t.Errorf("paused: %+v", bar)
	}
}

// A count of 0 is no warning, and neither is the end of a budget a failure.
func TestNothingToWarnOf(t *testing.T) {
	none := newScreen(t, 80, 24, serving())
	none.snap.Sweep = &session.Sweep{}
	for _, s := range none.verdictCounts() {
		if s.style != styleDim {
			t.Errorf("%q has style %d", s.s, s.style)
		}
	}
	s := swept()
	ended := *s.Sweep
	ended.Problem = "budget used up"
	s.Sweep = &ended
	sc := newScreen(t, 120, 36, s)
	sc.press("2")
	c := sc.frame()
	for i, cell := range c.cells {
		if cell.r == '!' && c.cells[i+2].r == 'b' && cell.style != styleWarn {
			t.Errorf("the end of the budget has style %d", cell.style)
		}
	}
	requireTexts(t, sc.plainFrame(), "! budget used up")
}

// While nothing is answered no number of before looks like one of now, and R restarts an engine that can be killed.
func TestSilentScreen(t *testing.T) {
	sc := newScreen(t, 120, 36, silent())
	frame := sc.plainFrame()
	for _, want := range []string{"! no answer for 12s", "? no answer for 12s", "no answer for 12s · 0", "now 0%", "R restart"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	for _, not := range []string{"● serving", "PASS"} {
		if strings.Contains(frame, not) {
			t.Errorf("%q in\n%s", not, frame)
		}
	}
	if text := Summary(sc.snap); !strings.Contains(text, "0/s, no answer for 12s") {
		t.Error(text)
	}
	sc.press("R")
	if len(sc.workbench.calls) != 1 || sc.workbench.calls[0] != "restart" {
		t.Errorf("R calls %q", sc.workbench.calls)
	}
	sc.show(func(s *session.Snapshot) { s.CanKill = false })
	sc.press("R")
	if len(sc.workbench.calls) != 1 {
		t.Errorf("a server that cannot be killed: %q", sc.workbench.calls)
	}
}
