package tui

import (
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
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

// At every width each knob of the row is shown whole or not at all, the selected one always; with short names where the usual
// ones do not fit, and a sign where knobs are missing.
func TestKnobRowFits(t *testing.T) {
	long := []string{"workers 1→4", "batch size 8→32", "batch_delay 5→20 ms", "FP16 off→on R"}
	short := []string{"wrk 1→4", "bat 8→32", "delay 5→20 ms", "FP16 off→on R"}
	for w := 24; w < 110; w++ {
		for selected := range long {
			sc := newScreen(t, 120, 36, withGPU())
			sc.press("up", "right") // FP16
			sc.pending[knob.Workers], sc.pending[knob.BatchSize], sc.pending[knob.BatchDelay] = "4", "32", "20"
			sc.knobIndex = selected
			c := newCanvas(w, 1)
			sc.drawKnobsInRow(c.all(), " ")
			row := c.render(&theme{}, false)
			rest, seen := row, 0
			for i := range long {
				for _, label := range []string{long[i], short[i]} {
					if strings.Contains(rest, label) {
						rest, seen = strings.Replace(rest, label, "", 1), seen+1
						break
					}
				}
			}
			if !strings.Contains(row, "▸"+long[selected]) && !strings.Contains(row, "▸"+short[selected]) {
				t.Errorf("%d cells, knob %d: %q", w, selected, row)
			}
			if left := strings.Trim(rest, "▸… "); left != "" || (seen < len(long)) != strings.Contains(row, "…") {
				t.Errorf("%d cells, knob %d: %q has %d knobs and %q", w, selected, row, seen, left)
			}
		}
	}
}

// The reason of an undecided verdict is in the table: of the selected row in its border, of all rows if there is room.
func TestTableSaysWhyUndecided(t *testing.T) {
	const why = "2210 of the 2994 requests that a pass takes"
	for _, size := range [][2]int{{80, 24}, {120, 36}, {200, 60}} {
		sc := newScreen(t, size[0], size[1], swept())
		sc.press("2")
		if got, want := strings.Contains(sc.plainFrame(), why), size[0] == 200; got != want {
			t.Errorf("%v, a pass selected: the reason of another row is shown: %v, want %v", size, got, want)
		}
		sc.selectedN = 3
		requireTexts(t, sc.plainFrame(), "─ #3 ? "+why+" ─")
	}
}

// After a sweep the engine takes a while until it has the user's settings again. Until then nothing says that a key
// applies or that a sweep can be paused.
func TestSettingsComeBackAfterSweep(t *testing.T) {
	for _, size := range [][2]int{{40, 10}, {80, 24}, {120, 36}} {
		sc := newScreen(t, size[0], size[1], change(swept, func(s *session.Snapshot) { s.Phase = session.Sweeping })())
		sc.press("2", "enter")
		if got := sc.status(); !strings.HasSuffix(got, "are pending: "+returningText+", then enter applies them") {
			t.Errorf("status %q", got)
		}
		sc.press("enter")
		if got := sc.status(); got != returningText || len(sc.workbench.calls) > 0 {
			t.Errorf("enter: status %q, calls %v", got, sc.workbench.calls)
		}
		if f := sc.plainFrame(); strings.Contains(f, "enter apply") || strings.Contains(f, "p pause") {
			t.Errorf("%v:\n%s", size, f)
		}
		sc.show(func(s *session.Snapshot) { s.Phase = session.Serving })
		requireTexts(t, sc.plainFrame(), "enter apply")
		if sc.press("enter"); len(sc.workbench.calls) != 1 {
			t.Errorf("calls %v, want an apply", sc.workbench.calls)
		}
	}
}

// The table has the value that the promise limits, at every size.
func TestTableHasThePromise(t *testing.T) {
	for _, c := range []struct {
		sla   func(*trial.SLA)
		title string
	}{
		{func(s *trial.SLA) { s.Percentile = 90 }, "   P90 "},
		{func(s *trial.SLA) { s.Percentile = 50 }, "   P50 "},
		{func(s *trial.SLA) { s.Latency = trial.ModelLatency }, " model P99 "},
	} {
		for _, size := range [][2]int{{40, 10}, {60, 16}, {80, 24}, {120, 36}} {
			sc := newScreen(t, size[0], size[1], change(swept, func(s *session.Snapshot) {
				c.sla(&s.Sweep.Plan.SLA)
				for i := range s.Sweep.Trials {
					s.Sweep.Trials[i].Verdict.ValueMS = trial.NumOf(7.77)
				}
			})())
			sc.press("2")
			requireTexts(t, sc.plainFrame(), c.title, " 7.77 ")
		}
	}
}
