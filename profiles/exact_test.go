package profiles

import (
	"strings"
	"testing"

	"sweetspot/sweep/trial"
)

func TestLower(t *testing.T) {
	for _, c := range []struct {
		a, b, want     float64
		okA, okB, isOK bool
	}{
		{3, 5, 3, true, true, true},
		{5, 3, 3, true, true, true},
		{5, 3, 5, true, false, true},
		{5, 3, 3, false, true, true},
		{5, 3, 3, false, false, false},
	} {
		if got, ok := lower(c.a, c.okA, c.b, c.okB); ok != c.isOK || ok && got != c.want {
			t.Errorf("lower(%g, %t, %g, %t) = %g, %t", c.a, c.okA, c.b, c.okB, got, ok)
		}
	}
}

func TestListSome(t *testing.T) {
	for names, want := range map[string]string{
		"a":           "a",
		"a b c d":     "a, b, c, d",
		"a b c d e":   "a, b, c, d and 1 more",
		"a b c d e f": "a, b, c, d and 2 more",
	} {
		if got := listSome(strings.Fields(names)); got != want {
			t.Errorf("listSome(%s) = %q, want %q", names, got, want)
		}
	}
}

// TestSuiteFigures: 0 in a column means that nothing was measured, and less than 1 does not; a figure that
// is none is an error.
func TestSuiteFigures(t *testing.T) {
	for text, want := range map[string]float64{"0.25": .25, "1": 1, "7": 7, "0": 0, "0.0": 0, "": 0, "nan": 0, "n/a": 0} {
		r := newSuiteRow([]string{"P99"}, []string{text})
		n := r.nonzero("P99")
		if got, ok := n.Get(); ok != (want > 0) || ok && got != want || len(r.errs) > 0 {
			t.Errorf("nonzero of %q = %g, %t, %v", text, got, ok, r.errs)
		}
	}
	for _, text := range []string{"-1", "fast", "1.5"} {
		r := newSuiteRow([]string{"workers"}, []string{text})
		if n := r.whole("workers", 1, 64); n != 0 || len(r.errs) != 1 {
			t.Errorf("whole of %q = %d, %v", text, n, r.errs)
		}
	}
	for text, want := range map[string]int{"1": 1, "64": 64, "65": 0, "0": 0} {
		r := newSuiteRow([]string{"workers"}, []string{text})
		if n := r.whole("workers", 1, 64); n != want || (len(r.errs) > 0) != (want == 0) {
			t.Errorf("whole of %q = %d, %v", text, n, r.errs)
		}
	}
}

// TestPredictedRow: shares are written as percent, and the notes say what was chosen, and what is
// predicted to be best.
func TestPredictedRow(t *testing.T) {
	broken, kept := false, true
	for _, c := range []struct {
		p     Predicted
		first bool
		want  string // the last cells
	}{
		{Predicted{Refused: .25, Utilization: .5, P99: trial.NumOf(3)}, false, "50% | n/a | 25% refused"},
		{Predicted{Utilization: 1, KeepsPromise: &kept, Chosen: true}, true, "100% | kept | chosen; predicted best"},
		{Predicted{KeepsPromise: &broken}, true, "0% | BROKEN | nearest"},
		{Predicted{}, true, "0% | n/a | predicted best"},
		{Predicted{KeepsPromise: &broken}, false, "0% | BROKEN | "},
	} {
		cells := c.p.row(c.first)
		if got := strings.Join(cells[len(cells)-3:], " | "); got != c.want {
			t.Errorf("row = %s, want %s", got, c.want)
		}
	}
}
