package main

import (
	"bytes"
	"math"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
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

// TestCarryModels: the bodies fit the input of the model, and the MLP has 50 MB.
func TestCarryModels(t *testing.T) {
	for _, m := range carryModels() {
		if m.name == "mlp" && testing.Short() {
			continue // 50 MB of random numbers
		}
		data, err := m.build().Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if m.name == "mlp" && (len(data) < 50e6 || len(data) > 52e6) {
			t.Errorf("the MLP has %d bytes", len(data))
		}
		info, err := onnxgraph.Inspect(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		numbers := 1
		for _, d := range info.Inputs[0].Dims[1:] {
			numbers *= int(d.Size)
		}
		for _, b := range m.bodies(1) {
			if len(b.Data) != 4*numbers {
				t.Errorf("%s: a body of %d bytes, want %d", m.name, len(b.Data), 4*numbers)
			}
		}
	}
}
