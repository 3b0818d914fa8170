package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/sweep/session"
)

// newFollowing is a screen that follows a profile.
func newFollowing(t *testing.T, w, h int, s *session.Snapshot) *screen {
	sc := newScreen(t, w, h, s)
	sc.model = newModel(Deps{Bench: sc.bench, Follow: true, Now: func() time.Time { return sc.clock }})
	sc.send(tea.WindowSizeMsg{Width: w, Height: h})
	sc.send(tickMsg{})
	return sc
}

// growing is a profile that another program writes.
func growing() *session.Snapshot {
	s := sweepingNow()
	s.Sweep.Current, s.Sweep.Total, s.Sweep.ETA = nil, 0, 0
	for i := range s.Sweep.Trials {
		s.Sweep.Trials[i].At = epoch.Add(-12 * time.Second)
	}
	return s
}

func interrupted() *session.Snapshot {
	s := growing()
	s.Sweep.State, s.Sweep.Problem = session.Aborted, "interrupted; go on: sweetspot --sweep --resume=20261122T140102Z-7f3a"
	return s
}

func TestFollowing(t *testing.T) {
	for _, s := range []scene{
		{"growing", growing, []string{"down"}},
		{"interrupted", interrupted, nil},
		{"help", growing, []string{"?"}},
	} {
		for _, size := range []struct{ w, h int }{{120, 36}, {80, 24}, {60, 16}} {
			t.Run(fmt.Sprintf("%s %dx%d", s.name, size.w, size.h), func(t *testing.T) {
				sc := newFollowing(t, size.w, size.h, s.snap())
				sc.press(s.keys...)
				golden.RequireEqual(t, sc.plainFrame()+"\n")
			})
		}
	}
}

// TestFollowingIsReadOnly: no key but e asks anything of the workbench, none
// leaves Sweep, and q does not ask although a sweep runs.
func TestFollowingIsReadOnly(t *testing.T) {
	sc := newFollowing(t, 120, 36, growing())
	for r := ' '; r <= '~'; r++ {
		if !strings.ContainsRune("eq?!", r) {
			sc.press(string(r))
		}
	}
	sc.press("1", "tab", "enter", "left", "right", "up", "down", "esc", "space")
	if len(sc.bench.calls) > 0 || sc.view != sweeps {
		t.Errorf("keys asked for %q and led to view %d", sc.bench.calls, sc.view)
	}
	sc.press("e")
	if len(sc.bench.calls) != 1 || !strings.HasPrefix(sc.bench.calls[0], "export ") {
		t.Errorf("e asked for %q", sc.bench.calls)
	}
	if msg := sc.press("q"); msg != tea.Quit() {
		t.Errorf("q led to %T", msg)
	}
}

// TestExportNotes: what a format has no key for is in the log, and the status
// line says so.
func TestExportNotes(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.bench.notes = []string{"FP16 has no key", "threads 2 has no key"}
	sc.press("e")
	if want := "exported to out/config.properties; 2 notes on what has no key there: !"; sc.status() != want {
		t.Errorf("status %q, want %q", sc.status(), want)
	}
	if !strings.Contains(sc.plainFrame(), "has no key there: !") {
		t.Errorf("the status line is cut:\n%s", sc.plainFrame())
	}
	sc.press("!")
	for _, n := range sc.bench.notes {
		if !strings.Contains(sc.plainFrame(), "export: "+n) {
			t.Errorf("%q is not in the log:\n%s", n, sc.plainFrame())
		}
	}
}
