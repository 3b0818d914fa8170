package tui

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// Two profiles of the tests.
const (
	olderID = "20261122T091500Z-7f3a"
	newerID = "20261123T091500Z-7f3b"
)

// profilesOnDisk is a screen with two profiles in a folder.
func profilesOnDisk(t *testing.T) *screen {
	t.Helper()
	data, err := os.ReadFile("../profiles/testdata/v1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	sc := newScreen(t, 120, 36, serving())
	sc.ProfileDir = t.TempDir()
	newer := bytes.ReplaceAll(bytes.ReplaceAll(data, []byte(olderID), []byte(newerID)), []byte(`"created":"2026-11-22`), []byte(`"created":"2026-11-23`))
	for id, data := range map[string][]byte{olderID: data, newerID: newer} {
		if err := os.WriteFile(profiles.Path(sc.ProfileDir, id), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return sc
}

func (sc *screen) requireFrame(texts ...string) {
	sc.t.Helper()
	frame := sc.plainFrame()
	for _, want := range texts {
		if !strings.Contains(frame, want) {
			sc.t.Errorf("no %q on the screen:\n%s", want, frame)
		}
	}
}

// The Profiles view reads the folder when it is opened. A name and a note are written into the
// profile; a deleted one comes back.
func TestProfilesOnDisk(t *testing.T) {
	sc := profilesOnDisk(t)
	sc.press("4")
	sc.requireFrame("2 profiles", newerID, "machine")
	if got := sc.selectedProfile().ID; got != newerID {
		t.Fatalf("selected %s, want the newest", got)
	}
	sc.press("down", "=", "b", "a", "s", "e", "enter")
	sc.requireFrame("name of "+olderID+": base", "base  ")
	sc.press("n", "x", "y", "enter")
	sc.requireFrame("note", "xy")
	p, err := profiles.Read(profiles.Path(sc.ProfileDir, olderID))
	if err != nil || p.Name() != "base" || p.Note() != "xy" {
		t.Fatalf("on disk: name %q, note %q, %v", p.Name(), p.Note(), err)
	}

	sc.press("d", "n")
	if len(sc.profiles.list) != 2 {
		t.Error("deleted without a yes")
	}
	sc.press("d", "y")
	sc.requireFrame("1 profile ", "1 deleted, u undoes", "deleted base; u undoes it")
	if list, _ := profiles.List(sc.ProfileDir); len(list) != 1 {
		t.Errorf("%d profiles on disk", len(list))
	}
	sc.press("u")
	sc.requireFrame("2 profiles", "restored "+olderID)
	if got := sc.selectedProfile().ID; got != olderID {
		t.Errorf("selected %s after the undo", got)
	}
	sc.press("u")
	if want := "no profile was deleted since the start"; sc.status() != want {
		t.Errorf("status %q, want %q", sc.status(), want)
	}
}

// The list is read after a click on the tab, which starts no action itself, and the selected profile
// after a click on its row.
func TestProfilesByMouse(t *testing.T) {
	sc := profilesOnDisk(t)
	tick := func() {
		if cmd := sc.refreshProfiles(); cmd != nil {
			sc.send(cmd())
		}
	}
	sc.view = profilesView
	tick()
	sc.requireFrame("2 profiles")
	for y, l := range strings.Split(sc.plainFrame(), "\n") {
		if strings.Contains(l, "  09:15 ") {
			sc.send(tea.MouseClickMsg{X: 5, Y: y, Button: tea.MouseLeft})
			break
		}
	}
	tick()
	if o := sc.profiles.opened; o == nil || o.id != sc.profiles.selected || o.profile == nil {
		t.Errorf("opened %+v, selected %s", o, sc.profiles.selected)
	}
	if sc.refreshProfiles() != nil {
		t.Error("the profile is read again and again")
	}
}

// A and B are compared, and swapped.
func TestCompareOnDisk(t *testing.T) {
	sc := profilesOnDisk(t)
	sc.press("4", "a", "down", "b")
	sc.requireFrame("comparable: same model, machine class and load", "throughput /s", "P99 ms", "cannot tell")
	if c := sc.profiles.compare; c.result.A != newerID || c.result.B != olderID {
		t.Errorf("compared %s with %s", c.result.A, c.result.B)
	}
	sc.press("c")
	if c := sc.profiles.compare; c.result.A != olderID || c.result.B != newerID {
		t.Errorf("swapped: compared %s with %s", c.result.A, c.result.B)
	}
}

// A is compared with the live traffic if it is of the same model, machine and load.
func TestCompareInForce(t *testing.T) {
	sc := profilesOnDisk(t)
	p, err := profiles.Read(profiles.Path(sc.ProfileDir, newerID))
	if err != nil {
		t.Fatal(err)
	}
	sc.press("4", "i")
	if sc.profiles.b != "" {
		t.Error("compared without A")
	}
	best, _ := p.Best()
	sc.workbench.live = best
	sc.workbench.live.Role, sc.workbench.live.Settings.BatchDelay = trial.RoleLive, 7*time.Millisecond
	sc.Machine = func(sweep.Info) profiles.Machine { return p.Header.Machine }
	sc.show(func(s *session.Snapshot) {
		s.Info.Model.Name, s.Info.Model.SHA256 = p.Header.Model.Name, p.Header.Model.SHA256
	})
	sc.press("a", "i")
	sc.requireFrame("B in force", "comparable: same model, machine class and load", "batch_delay")
	sc.press("c")
	if !strings.Contains(sc.status(), "always B") {
		t.Errorf("c: %q", sc.status())
	}
	sc.show(func(s *session.Snapshot) { s.Info.Model.SHA256 = "ffff" })
	sc.press("i")
	sc.requireFrame("not comparable", "is not the same file")
	sc.workbench.err = errors.New("fewer than 100 answers since the last change")
	sc.press("i")
	sc.requireFrame("fewer than 100 answers")
}

// enter makes the best settings of a profile pending and opens Live; e exports its choice.
func TestUseProfile(t *testing.T) {
	sc := profilesOnDisk(t)
	sc.press("4", "e", "enter")
	if got := sc.workbench.calls; len(got) != 1 || got[0] != "export of "+newerID+".jsonl" {
		t.Errorf("actions %q", got)
	}
	sc.press("enter")
	if sc.view != liveView || len(sc.pending) == 0 {
		t.Errorf("view %d, pending %v", sc.view, sc.pending)
	}
}

// The filter shows the profiles that have all its words, and esc shows all.
func TestFilterProfiles(t *testing.T) {
	sc := profilesOnDisk(t)
	sc.press("4", "/", "1", "1", "2", "3", "T")
	if got := sc.shownProfiles(); len(got) != 1 || got[0].ID != newerID {
		t.Errorf("%d profiles match", len(got))
	}
	sc.press("enter", "down", "/", "z")
	sc.requireFrame("No profile matches the filter")
	sc.press("esc")
	if got := sc.shownProfiles(); len(got) != 2 || sc.dialog != nil {
		t.Errorf("%d profiles after esc", len(got))
	}
}

// A damaged profile is in the list, and a folder that cannot be read is a message.
func TestDamagedProfiles(t *testing.T) {
	sc := profilesOnDisk(t)
	if err := os.WriteFile(profiles.Path(sc.ProfileDir, "20261124T000000Z-0000"), []byte("{\"t\":\"hea"), 0o600); err != nil {
		t.Fatal(err)
	}
	sc.press("4")
	sc.requireFrame("3 profiles")
	sc.press("end")
	sc.requireFrame("damaged")
	sc.ProfileDir = profiles.Path(sc.ProfileDir, olderID) // a file
	sc.press("1", "4")
	if sc.profiles.problem == "" {
		t.Error("no problem for a folder that is a file")
	}
	sc.requireFrame("not a directory")
}

// Profiles does not keep the picture of a profile whose sweep goes on.
func TestProfileOfRunningSweep(t *testing.T) {
	sc := newScreen(t, 120, 36, sweeping())
	withProfiles(3, -1, -1)(sc)
	s := &sc.profiles
	s.dropOld()
	if s.opened == nil {
		t.Error("the profile is read again although it is as in the list")
	}
	for i := range s.list {
		if s.list[i].ID == s.selected {
			s.list[i].Trials++
		}
	}
	if s.dropOld(); s.opened != nil {
		t.Error("the list has another trial, and the picture is the old one")
	}
	s.stale = false
	sc.show(func(n *session.Snapshot) {
		w := *n.Sweep
		w.Trials = append(w.Trials[:len(w.Trials):len(w.Trials)], w.Trials[0])
		n.Sweep = &w
	})
	if !s.stale {
		t.Error("the list is not read again after a trial")
	}
}
