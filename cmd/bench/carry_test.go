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
	if got := spearman([]float64{math.NaN(), 1, 2}, []float64{1, 2, 3}); !math.IsNaN(got) {
		t.Errorf("spearman with a missing value = %g, want none", got)
	}
}

// TestCeiling: of values x with noise of the same variance, two measurements have a correlation of 1/2, and x with their mean has
// 1/sqrt(1 + 1/2).
func TestCeiling(t *testing.T) {
	for r, want := range map[float64]float64{1: 1, .5: math.Sqrt(2. / 3), 0: 0, -.3: 0} {
		if got := ceiling(r); math.Abs(got-want) > 1e-9 {
			t.Errorf("ceiling(%g) = %g, want %g", r, got, want)
		}
	}
	if got := ceiling(math.NaN()); got != 0 {
		t.Errorf("without a correlation: %g", got)
	}
}

// TestCarryUsed: disturbed pairs are left out of a pass unless most are.
func TestCarryUsed(t *testing.T) {
	r := carryRow{pairs: []carryPair{{pass: 0}, {pass: 0, disturbed: true}, {pass: 1, disturbed: true}, {pass: 1, disturbed: true}, {pass: 1}}}
	for pass, want := range map[int]int{0: 1, 1: 3, -1: 5} {
		if pairs, _, _ := r.used(pass); len(pairs) != want {
			t.Errorf("pass %d: %d pairs, want %d", pass, len(pairs), want)
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
