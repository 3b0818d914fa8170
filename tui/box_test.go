package tui

import (
	"slices"
	"strings"
	"testing"

	"sweetspot/sweep/trial"
)

// A text that does not fit ends with an ellipsis, also if only what follows it does not fit.
func TestElided(t *testing.T) {
	rows := func(h int, texts ...string) []string {
		c := newCanvas(12, h)
		var all []span
		for _, s := range texts {
			all = append(all, plain(s))
		}
		c.all().paragraphs(0, 0, all...)
		var out []string
		for l := range strings.SplitSeq(c.render(&theme{}, false), "\n") {
			out = append(out, strings.TrimRight(l, " "))
		}
		return out
	}
	for _, c := range []struct {
		h     int
		texts []string
		want  []string
	}{
		{2, []string{"one two three four"}, []string{"one two", "three four"}},
		{1, []string{"one two three four"}, []string{"one two …"}},
		{1, []string{"one two thre four"}, []string{"one two thr…"}},
		{2, []string{"one", "two", "three"}, []string{"one", "two …"}},
		{2, []string{"one", "", "three"}, []string{"one …", ""}},
	} {
		if got := rows(c.h, c.texts...); !slices.Equal(got, c.want) {
			t.Errorf("%d rows of %q: %q, want %q", c.h, c.texts, got, c.want)
		}
	}
}

// A dialog leaves out whole notes, and cuts only the first one.
func TestWholeTexts(t *testing.T) {
	texts := []span{plain("one two three"), warning("four five six seven eight"), plain("nine")}
	for h, want := range map[int]string{1: "one two …", 2: "one two|three", 4: "one two|three", 5: "one two|three|four five|six seven|eight", 6: "one two|three|four five|six seven|eight|nine"} {
		var got []string
		for _, l := range wholeTexts(texts, 10, h) {
			got = append(got, l.s)
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%d lines: %q, want %q", h, got, want)
		}
	}
}

// No note of an export is cut: those that do not fit are counted.
func TestExportNotesAreWhole(t *testing.T) {
	sc := newScreen(t, 80, 24, swept())
	exporting(trial.Pass, "")(sc)
	sc.workbench.notes = []string{"short", "a note that is much too long for the few lines that the dialog has for its notes: " + strings.Repeat("word ", 60)}
	sc.press("2", "e")
	frame := sc.plainFrame()
	requireTexts(t, frame, "! short", "! 2 notes in all, which the file has too")
	if strings.Contains(frame, "much too long") {
		t.Errorf("a note is cut:\n%s", frame)
	}
}
