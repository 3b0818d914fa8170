package tui

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"sweetspot/profiles"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// probing is a sweep that measures probe 4 of its predictions.
func probing() *session.Snapshot {
	s := sweeping()
	w := *s.Sweep
	c := *w.Current
	c.N, c.Point.Role, c.Point.Reason = 4, trial.RoleProbe, "service time of batches of 8 with 1 worker"
	w.Current = &c
	s.Sweep = &w
	return s
}

// A probe is called one, and has no P99: its load is not that of the promise.
func TestProbeIsNoTrial(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 16}} {
		sc := newScreen(t, size[0], size[1], probing())
		frame := sc.plainFrame()
		requireTexts(t, frame, "probe #4")
		if strings.Contains(frame, "trial #4") || strings.Contains(frame, "so far") {
			t.Errorf("%v: the probe is shown as a trial:\n%s", size, frame)
		}
		sc.press("2")
		sc.requireFrame("probe #4")
	}
}

// A text about one of two recordings is not drawn over the dots of the other.
func TestOverlayOfOneSide(t *testing.T) {
	all := recorded()
	live, silent := all[1], recordedLive("20261122T135500Z-0009", 30, 15)
	for i := range silent.Series[1].P99MS {
		silent.Series[1].P99MS[i] = trial.Num{}
	}
	for _, c := range []struct {
		a, b *profiles.Profile
		want string
	}{
		{live, all[2], "B has no recorded seconds"},
		{all[2], live, "A has no recorded seconds"},
		{live, silent, "B's seconds have no P99"},
		{live, all[0], "A dotted  B"},
		{silent, silent, "no recorded second has a P99"},
	} {
		sc := newScreen(t, 120, 36, serving())
		withProfiles(0, 1, 0)(sc)
		sc.view = profilesView
		sc.profiles.compare = &comparedProfiles{a: c.a, b: c.b, err: errors.New("not read")}
		sc.requireFrame(c.want)
		if text := "no recorded second has a P99"; c.want != text && strings.Contains(sc.plainFrame(), text) {
			t.Errorf("%s: a text over the dots:\n%s", c.want, sc.plainFrame())
		}
	}
	if hasValue([]float64{math.NaN()}) || !hasValue([]float64{math.NaN(), 1}) {
		t.Error("hasValue is wrong")
	}
}

// F says why it changes nothing, and no advice names a key that a followed profile does not have.
func TestNothingToForce(t *testing.T) {
	all := recorded()
	none := all[len(all)-1] // a sweep without a choice, of another model
	for _, follow := range []bool{false, true} {
		sc := newScreen(t, 120, 36, serving())
		withProfiles(3, 3, 2)(sc)
		sc.view, sc.Follow = profilesView, follow
		compare := func(a, b *profiles.Profile) {
			c := &comparedProfiles{a: a, b: b}
			c.result, c.err = profiles.Compare(a, b, profiles.CompareOptions{Choice: true, Tolerance: profiles.DefaultTolerance})
			sc.profiles.compare = c
		}
		compare(all[3], none)
		sc.requireFrame("has no choice: no setting is known to")
		if strings.Contains(sc.plainFrame(), "compares them anyway") {
			t.Errorf("F is offered:\n%s", sc.plainFrame())
		}
		sc.press("F")
		if !strings.Contains(sc.status(), "nothing to force: 20261101T090000Z-0006 has no choice") {
			t.Errorf("F: status %q", sc.status())
		}
		sc.profiles.selected = all[2].Header.ID // it has no note
		compare(all[3], all[4])
		sc.requireFrame("F compares them anyway")
		if got := strings.Contains(sc.plainFrame(), "n writes one"); got == follow {
			t.Errorf("follow %v, and the key n is named: %v", follow, got)
		}
		if got := strings.Contains(sc.plainFrame(), "again: s, then"); got == follow {
			t.Errorf("follow %v, and the key s is named: %v", follow, got)
		}
	}
}

// The message about a second esc does not stay after it.
func TestDropped(t *testing.T) {
	sc := newScreen(t, 120, 36, serving())
	sc.press("right", "esc", "esc")
	if want := "dropped 1 pending change"; sc.status() != want || len(sc.pending) > 0 {
		t.Errorf("status %q, want %q", sc.status(), want)
	}
}

// What was measured on no server is called simulated.
func TestSimulatedTargets(t *testing.T) {
	for _, runtime := range []string{"simulated", "virtual device", "onnxruntime cpu"} {
		s := serving()
		s.Info.Runtime = runtime
		frame := newScreen(t, 120, 36, s).plainFrame()
		if got, want := strings.Contains(frame, fmt.Sprintf("%s (simulated)", s.Info.Model.Name)), runtime != "onnxruntime cpu"; got != want {
			t.Errorf("%s: called simulated: %v, want %v", runtime, got, want)
		}
	}
}
