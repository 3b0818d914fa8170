package tui

import (
	"strings"
	"testing"

	"sweetspot/sweep/session"
)

// A message is shown whole or in fewer words, or it ends at a word and says where all of it is.
func TestFitting(t *testing.T) {
	const text, short = "A3 workers 1 to 4, batch size 1 to 16: not compared: only 2 s of traffic before it", "A3: not compared: only 2 s of traffic before it"
	for w := range 100 {
		got := fitting(w, text, short)
		switch {
		case w >= width(text) && got == text, w >= width(short) && w < width(text) && got == short:
			continue
		case w >= width(short) || w > 24 && width(got) > w:
			t.Errorf("%d cells: %q", w, got)
		}
		head, ok := strings.CutSuffix(got, "… (! shows all)")
		if rest, is := strings.CutPrefix(short, head); w > 24 && (!ok || !is || !strings.ContainsAny(rest[:1], " :;,")) {
			t.Errorf("%d cells: %q does not end with a word", w, got)
		}
	}
}

// The message of the workbench is shown in fewer words on a small screen.
func TestShortMessage(t *testing.T) {
	say := func(w int) string {
		sc := newScreen(t, w, 24, serving())
		sc.show(func(s *session.Snapshot) {
			s.Messages = append(s.Messages[:len(s.Messages):len(s.Messages)], session.Message{At: sc.clock, Text: "A1 workers 1 to 2, batch size 1 to 8, batch_delay 100 to 5: not compared: no traffic before it", Short: "A1: not compared: no traffic before it"})
		})
		return sc.plainFrame()
	}
	requireTexts(t, say(120), "• A1 workers 1 to 2, batch size 1 to 8, batch_delay 100 to 5: not compared: no traffic before it ")
	for _, w := range []int{80, 60} {
		requireTexts(t, say(w), "• A1: not compared: no traffic before it ")
	}
}

// A key of the charts says that there is no room for them.
func TestChartKeysWithoutCharts(t *testing.T) {
	sc := newScreen(t, 60, 16, serving())
	for _, key := range []string{"v", "g", "z", "+"} {
		sc.press(key)
		if want := "no room for charts: they need 80 x 24"; sc.status() != want {
			t.Errorf("%s: status %q, want %q", key, sc.status(), want)
		}
	}
}
