package tensor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/tensor"
)

// texts are the inputs of a text model: ids and mask share a length, a style has its own.
func texts() []tensor.Spec {
	return []tensor.Spec{
		{Name: "ids", Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{"S"}},
		{Name: "style", Type: tensor.Float32, Shape: []int64{-1, 4, -1}},
		{Name: "mask", Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{"S"}},
	}
}

func TestLengths(t *testing.T) {
	want := []tensor.Length{
		{Name: "S", Dims: []tensor.Dim{{Tensor: 0, Axis: 0}, {Tensor: 2, Axis: 0}}},
		{Dims: []tensor.Dim{{Tensor: 1, Axis: 0}}},
		{Dims: []tensor.Dim{{Tensor: 1, Axis: 2}}},
	}
	if diff := cmp.Diff(want, tensor.Lengths(texts())); diff != "" {
		t.Errorf("Lengths: -want +got\n%s", diff)
	}
	fixed := []tensor.Spec{{Name: "x", Shape: []int64{3, 0}, Dims: []string{"", "W"}}}
	if got := tensor.Lengths(fixed); got != nil {
		t.Errorf("Lengths of fixed inputs = %v, want nil", got)
	}
}

func TestWithLengths(t *testing.T) {
	in := texts()
	out := tensor.WithLengths(in, []int64{7, -1, 0})
	for i, want := range [][]int64{{7}, {-1, 4, 0}, {7}} {
		if diff := cmp.Diff(want, out[i].Shape); diff != "" {
			t.Errorf("shape %d: -want +got\n%s", i, diff)
		}
	}
	if diff := cmp.Diff(texts(), in); diff != "" {
		t.Errorf("the inputs were changed: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(texts(), tensor.WithLengths(in, nil)); diff != "" {
		t.Errorf("without sizes: -want +got\n%s", diff)
	}
}
