package local

import (
	"slices"
	"strings"
	"testing"

	"sweetspot/engine/api/control"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

func textModel(lengths string) control.Model {
	return control.Model{
		Name: "m", LoadLengths: map[string]string{"ids": lengths, "mask": lengths},
		Inputs: []tensor.Spec{
			{Name: "ids", Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{"S"}},
			{Name: "mask", Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{"S"}},
		},
	}
}

// TestBodies: bodies have the lengths of the mix, the same seed gives the same ones, and their
// lengths are found again.
func TestBodies(t *testing.T) {
	m := textModel("8..128")
	all, err := bodies(m, 1)
	if err != nil || len(all) != mixed {
		t.Fatalf("%d bodies, %v", len(all), err)
	}
	l := bodyLengths(m, all)
	if l == nil || slices.Min(l.Lengths) > 12 || slices.Max(l.Lengths) < 124 || slices.Min(l.Lengths) < 8 || slices.Max(l.Lengths) > 128 {
		t.Errorf("lengths %+v, want some near 8 and near 128", l)
	}
	again, _ := bodies(m, 1)
	other, _ := bodies(m, 2)
	if string(again[3].Data) != string(all[3].Data) || string(other[3].Data) == string(all[3].Data) {
		t.Error("bodies do not follow from the seed")
	}
	m.Inputs[1].Dims, m.LoadLengths["mask"] = nil, "4"
	if bodyLengths(m, all) != nil {
		t.Error("the lengths of a model with two are found")
	}
	if bodyLengths(textModel("8"), []load.Body{{Data: []byte("{")}}) != nil {
		t.Error("the lengths of a body that cannot be decoded are found")
	}
	if _, err := bodies(textModel("-1"), 1); err == nil {
		t.Error("lengths of -1 are accepted")
	}
}

func TestBodiesAreBounded(t *testing.T) {
	all, err := bodies(textModel("100000"), 1) // 1.6 MB each
	if err != nil || len(all) < distinct || len(all) > 2*mixedBytes/1_600_000 {
		t.Errorf("%d bodies of 1.6 MB, %v", len(all), err)
	}
}

func TestGrowth(t *testing.T) {
	for _, tc := range []struct {
		shapes     int
		grown, rss float64
		warns      bool
	}{{5, 100, 400, true}, {0, 100, 400, false}, {5, 10, 40, false}, {5, 17, 4000, false}} {
		text := growth(trial.Lengths{NewShapes: tc.shapes, GrownMB: trial.NumOf(tc.grown)}, trial.NumOf(tc.rss))
		if (text != "") != tc.warns || tc.warns && !strings.Contains(text, "grew by 100 MB to 400 MB while 5 shapes") {
			t.Errorf("%+v: %q", tc, text)
		}
	}
	if text := growth(trial.Lengths{NewShapes: 5}, trial.Num{}); text != "" {
		t.Errorf("unknown memory: %q", text)
	}
}
