package main

import (
	"math"
	"testing"

	"sweetspot/engine/knob"
)

func TestSpearman(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{10, 200, 201}, 1},
		{[]float64{1, 2, 3}, []float64{3, 2, 1}, -1},
		{[]float64{1, 2, 3, 4}, []float64{1, 3, 2, 4}, .8},
		{[]float64{1, 1, 2}, []float64{1, 2, 3}, math.Sqrt(3) / 2},
	} {
		if got := spearman(c.a, c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("spearman(%v, %v) = %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

// TestCarrySettings: at least 12 different settings, which both servers accept.
func TestCarrySettings(t *testing.T) {
	seen := map[knob.Settings]bool{}
	for _, s := range carrySettings() {
		if err := s.Validate(knob.Limits{Rule: knob.TorchServe, BatchAxis: true, Cores: 2}); err != nil || seen[s] {
			t.Errorf("%v: %v, twice: %v", s, err, seen[s])
		}
		seen[s] = true
	}
	if len(seen) < 12 {
		t.Errorf("%d settings, want 12", len(seen))
	}
}
