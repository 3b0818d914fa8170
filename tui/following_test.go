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
	sc.model = newModel(Deps{Workbench: sc.workbench, Follow: true, Now: func() time.Time { return sc.clock }})
	sc.send(tea.WindowSizeMsg{Width: w, Height: h})
	sc.send(tickMsg{})
	return sc
}

// runningProfile is a profile that another process is writing.
func runningProfile() *session.Snapshot {
	s := sweeping()
	s.Sweep.Current, s.Sweep.Total, s.Sweep.ETA = nil, 0, 0
	for i := range s.Sweep.Trials {
		s.Sweep.Trials[i].At = epoch.Add(-12 * time.Second)
	}
	return s
}

func interruptedProfile() *session.Snapshot {
	s := runningProfile()
	s.Sweep.State, s.Sweep.Problem = session.Aborted, "interrupted; go on: sweetspot --sweep --resume=20261122T140102Z-7f3a"
	return s
}

func TestFollowing(t *testing.T) {
	for _, s := range []scene{
		{"running", runningProfile, []string{"down"}},
		{"interrupted", interruptedProfile, nil},
		{"help", runningProfile, []string{"?"}},
		{"frontier", runningProfile, []string{"3"}},
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

// The only key that causes an action is e. No key opens the Live view. The key q does
// not ask, although a sweep runs.
func TestFollowingIsReadOnly(t *testing.T) {
	sc := newFollowing(t, 120, 36, runningProfile())
	withProfiles(3, 3, 2)(sc)
	sc.ProfileDir = "" // nothing is read from the disk
	for _, v := range []string{"4", "3", "2"} {
		for r := ' '; r <= '~'; r++ {
			if strings.ContainsRune("eq?!/234.;:Q", r) && v != "4" || strings.ContainsRune("q?!/234.;:Q", r) {
				continue
			}
			sc.press(v, string(r))
			sc.press(v, "enter", "left", "right", "up", "down", "esc", "space")
			if len(sc.workbench.calls) > 0 || len(sc.pending) > 0 || sc.dialog != nil || sc.view != view(v[0]-'1') {
				t.Fatalf("keys %s %c caused the actions %q, %d pending values and opened view %d, dialog %T", v, r, sc.workbench.calls, len(sc.pending), sc.view, sc.dialog)
			}
		}
	}
	sc.press("1")
	if want := "no Live view: this screen follows a profile, and a profile has no live traffic"; sc.status() != want || sc.view != sweepView {
		t.Errorf("1: status %q, view %d", sc.status(), sc.view)
	}
	for _, want := range []view{frontierView, frontierView, profilesView} {
		sc.press("tab")
		if sc.view != want {
			t.Errorf("tab opened view %d, want %d", sc.view, want)
		}
		if want == frontierView && sc.frontier.panel == mapPanel {
			sc.press("4")
			break
		}
	}
	if sc.press("tab"); sc.view != sweepView {
		t.Errorf("tab after the last view opened view %d", sc.view)
	}
	sc.press("e", "enter")
	if len(sc.workbench.calls) != 1 || !strings.HasPrefix(sc.workbench.calls[0], "export ") {
		t.Errorf("e caused the actions %q", sc.workbench.calls)
	}
	if msg := sc.press("q"); msg != tea.Quit() {
		t.Errorf("the message after q is %T", msg)
	}
}

// Notes on settings for which the format has no key are in the log, and the status line
// counts them.
func TestExportNotes(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	sc.workbench.notes = []string{"FP16 has no key", "threads 2 has no key"}
	sc.press("e", "enter")
	if want := "exported to out/config.properties; ! shows 2 notes on settings without a key"; sc.status() != want {
		t.Errorf("status %q, want %q", sc.status(), want)
	}
	if !strings.Contains(sc.plainFrame(), "! shows 2 notes on ") {
		t.Errorf("the status line is cut:\n%s", sc.plainFrame())
	}
	sc.press("!")
	for _, n := range sc.workbench.notes {
		if !strings.Contains(sc.plainFrame(), "export: "+n) {
			t.Errorf("%q is not in the log:\n%s", n, sc.plainFrame())
		}
	}
}
