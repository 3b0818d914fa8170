package tui

import (
	"fmt"
	"image/color"
	"slices"
	"strings"
	"testing"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
)

func TestMouse(t *testing.T) {
	sc := newScreen(t, 120, 36, swept())
	find := func(text string) (x, y int) {
		for y, l := range strings.Split(sc.plainFrame(), "\n") {
			if before, _, ok := strings.Cut(l, text); ok {
				return width(before), y
			}
		}
		t.Fatalf("no %q on the screen", text)
		return 0, 0
	}
	click := func(text string) {
		x, y := find(text)
		sc.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
	}
	click("batch_delay  ")
	if got := liveKnobs[sc.knobIndex]; got != knob.BatchDelay {
		t.Errorf("clicked batch_delay, selected %s", got)
	}
	sc.send(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
	if got := liveKnobs[sc.knobIndex]; got != knob.BatchSize {
		t.Errorf("the wheel selected %s", got)
	}
	click("2 Sweep")
	if sc.view != sweepView {
		t.Error("a click on the tab doesn't open Sweep")
	}
	click("19.9")
	if got := sc.selectedTrial().N; got != 3 {
		t.Errorf("clicked trial 3, selected %d", got)
	}
	if sc.View().MouseMode != tea.MouseModeNone {
		t.Error("the mouse is captured without a request")
	}
	sc.press("M")
	if sc.View().MouseMode != tea.MouseModeCellMotion {
		t.Error("M doesn't capture the mouse")
	}
}

func TestInterval(t *testing.T) {
	sc := newScreen(t, 80, 24, serving())
	check := func(what string, want time.Duration) {
		t.Helper()
		if got := sc.pollInterval(); got != want {
			t.Errorf("%s: polls every %v, want %v", what, got, want)
		}
	}
	check("without keys", 200*time.Millisecond)
	sc.press("up")
	check("after a key", 100*time.Millisecond)
	sc.FPS = 4
	check("at 4 per second", 250*time.Millisecond)
	sc.FPS = 60
	sc.clock = sc.clock.Add(fastDuration)
	sc.send(tea.BlurMsg{})
	check("unfocused", time.Second)
	sc.send(tea.FocusMsg{})
	check("focused", 200*time.Millisecond)
	sc.ReduceMotion = true
	check("reduced motion", time.Second)
}

func TestTheme(t *testing.T) {
	sc := newScreen(t, 80, 24, failing())
	before := sc.View().Content
	sc.send(tea.BackgroundColorMsg{Color: color.White})
	if sc.theme.dark || sc.View().Content == before {
		t.Error("a light background changes nothing")
	}
}

func TestStepSeries(t *testing.T) {
	cases := []struct {
		l    stepSeries
		v    float64
		dir  int
		want float64
	}{
		{doublings, 1, 1, 2},
		{doublings, 3, 1, 4},
		{doublings, 512, 1, 1024},
		{doublings, 64, -1, 32},
		{doublings, 65, -1, 64},
		{doublings, 1, -1, 0},
		{delaySteps, 0, 1, 1},
		{delaySteps, .5, 1, 1},
		{delaySteps, 1, -1, 0},
		{delaySteps, 100, 1, 200},
		{delaySteps, 100, -1, 50},
		{delaySteps, 7, -1, 5},
		{loadSteps, 1000, 1, 1200},
		{loadSteps, 1000, -1, 800},
		{loadSteps, 9.5, 1, 10},
	}
	for _, c := range cases {
		if got := c.l.next(c.v, c.dir); fmt.Sprintf("%.9g", got) != fmt.Sprintf("%.9g", c.want) {
			t.Errorf("%v.next(%g, %d) = %g, want %g", c.l, c.v, c.dir, got, c.want)
		}
	}
}

// A key has one binding in a view, and the binding is found.
func TestKeyTable(t *testing.T) {
	m := newScreen(t, 80, 24, serving()).model
	for v := range viewNames {
		seen := map[string]string{}
		for _, b := range m.bindings {
			if b.views&(1<<v) == 0 {
				continue
			}
			for _, k := range b.Keys() {
				if other, twice := seen[k]; twice {
					t.Errorf("%s: %q is %q and %q", viewNames[v], k, other, b.Help().Desc)
				}
				seen[k] = b.Help().Desc
				if got := m.findIn(view(v), k); got == nil || got.Help() != b.Help() {
					t.Errorf("%s: %q is not dispatched", viewNames[v], k)
				}
			}
		}
	}
	if m.bindings[0].Help().Desc == "" {
		t.Error("the first row has no help text")
	}
}

// findIn is find in any view, by the name of the key.
func (m *model) findIn(v view, name string) *binding {
	for i := range m.bindings {
		if b := &m.bindings[i]; b.views&(1<<v) != 0 && slices.Contains(b.Keys(), name) {
			return b
		}
	}
	return nil
}

// The names of keys in the table are those of the terminal library.
func TestKeyNames(t *testing.T) {
	m := newScreen(t, 80, 24, serving()).model
	for _, k := range allKeys {
		if k == "y" || k == "n" || k == "7" {
			continue
		}
		if !slices.ContainsFunc(m.bindings, func(b binding) bool { return key.Matches(keyOf(k), b.Binding) }) {
			t.Errorf("key %s, which is %q to the library, does nothing", k, keyOf(k))
		}
	}
}
