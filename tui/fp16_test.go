package tui

import (
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

// TestFP16Agreement: the knobs say how far FP16 agrees, and warn while a wrong one is in force.
func TestFP16Agreement(t *testing.T) {
	for _, tc := range []struct {
		agree    int
		inForce  knob.Precision
		selected knob.Name
		want     string
	}{
		{16, knob.HalfPrecision, knob.FP16, "FP16 agrees on 16 of 16 samples"},
		{16, knob.HalfPrecision, knob.Workers, ""},
		{3, knob.HalfPrecision, knob.Workers, "✗ FP16 agrees on 3 of 16 samples"},
		{3, knob.FullPrecision, knob.FP16, "FP16 agrees on 3 of 16 samples"},
		{3, knob.FullPrecision, knob.Workers, ""},
	} {
		s := serving()
		s.Info.Fixed = nil
		s.Settings.Precision = tc.inForce
		s.FP16 = &trial.FP16Agreement{Samples: 16, Agree: tc.agree}
		m := &model{snap: s, pending: map[knob.Name]string{}}
		for i, k := range m.shownKnobs() {
			if k.Name == tc.selected {
				m.knobIndex = i
			}
		}
		got := m.knobNotes()[0].s
		if shown := strings.Contains(got, "agrees on"); shown != (tc.want != "") || shown && got != tc.want {
			t.Errorf("%d agree, %s in force, %s selected: %q, want %q", tc.agree, tc.inForce, tc.selected, got, tc.want)
		}
	}
}
