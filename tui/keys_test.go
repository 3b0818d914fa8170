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
	if got := liveKnobs[sc.knob]; got != knob.BatchDelay {
		t.Errorf("clicked batch_delay, selected %s", got)
	}
	sc.send(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
	if got := liveKnobs[sc.knob]; got != knob.BatchSize {
		t.Errorf("the wheel selected %s", got)
	}
	click("2 Sweep")
	if sc.view != sweeps {
		t.Error("a click on the tab doesn't open Sweep")
	}
	click("19.9")
	if got := sc.picked().N; got != 3 {
		t.Errorf("clicked trial 3, picked %d", got)
	}
	if sc.View().MouseMode != tea.MouseModeNone {
		t.Error("the mouse is captured without being asked for")
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
		if got := sc.interval(); got != want {
			t.Errorf("%s: looks every %v, want %v", what, got, want)
		}
	}
	check("at rest", 200*time.Millisecond)
	sc.press("up")
	check("after a key", 100*time.Millisecond)
	sc.FPS = 4
	check("at 4 a second", 250*time.Millisecond)
	sc.FPS = 60
	sc.clock = sc.clock.Add(livelyFor)
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

func TestLadder(t *testing.T) {
	cases := []struct {
		l    ladder
		v    float64
		dir  int
		want float64
	}{
		{doubles, 1, 1, 2},
		{doubles, 3, 1, 4},
		{doubles, 512, 1, 1024},
		{doubles, 64, -1, 32},
		{doubles, 65, -1, 64},
		{doubles, 1, -1, 0},
		{delays, 0, 1, 1},
		{delays, .5, 1, 1},
		{delays, 1, -1, 0},
		{delays, 100, 1, 200},
		{delays, 100, -1, 50},
		{delays, 7, -1, 5},
		{nice, 1000, 1, 1200},
		{nice, 1000, -1, 800},
		{nice, 9.5, 1, 10},
	}
	for _, c := range cases {
		if got := c.l.next(c.v, c.dir); fmt.Sprintf("%.9g", got) != fmt.Sprintf("%.9g", c.want) {
			t.Errorf("%v.next(%g, %d) = %g, want %g", c.l, c.v, c.dir, got, c.want)
		}
	}
}

// No key means two things in a view, and every key says what it does.
func TestKeyTable(t *testing.T) {
	m := newScreen(t, 80, 24, serving()).model
	for v := range viewNames {
		seen := map[string]string{}
		for _, b := range m.table {
			if b.in&(1<<v) == 0 {
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
	if m.table[0].Help().Desc == "" {
		t.Error("the first row has no text for the second half to belong to")
	}
}

// findIn is find in another view, by a key's name.
func (m *model) findIn(v view, name string) *binding {
	for i := range m.table {
		if b := &m.table[i]; b.in&(1<<v) != 0 && slices.Contains(b.Keys(), name) {
			return b
		}
	}
	return nil
}

// Key names in the table are those the terminal library gives.
func TestKeyNames(t *testing.T) {
	m := newScreen(t, 80, 24, serving()).model
	for _, k := range allKeys {
		if k == "y" || k == "n" || k == "7" {
			continue
		}
		if !slices.ContainsFunc(m.table, func(b binding) bool { return key.Matches(keyOf(k), b.Binding) }) {
			t.Errorf("key %s, which is %q to the library, does nothing", k, keyOf(k))
		}
	}
}
