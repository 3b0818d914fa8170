package onnx

import (
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// texts is a model with open inputs: y = x + x, a sum of x over its length, and x itself
// reduced to a fixed size.
func texts(t testing.TB) *engine.Model {
	b := builder.New("texts", 1)
	x := b.Input("x", float, batchDim, onnxgraph.Open("S"))
	b.Output("double", b.Op("Add", []string{x, x}), float, batchDim, onnxgraph.Open("S"))
	b.Output("sum", b.Op("ReduceSum", []string{x, b.Ints([]int64{1}, 1)}), float, batchDim, dim(1))
	return modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, -1)},
		[]tensor.Spec{spec("double", tensor.Float32, -1), spec("sum", tensor.Float32, 1)})
}

func text(n int, first float64) tensor.Item {
	x := tensor.Tensor{Type: tensor.Float32, Shape: []int64{int64(n)}}
	for i := range n {
		x.Data = tensor.AppendFloat(x.Data, x.Type, first+float64(i))
	}
	return tensor.Item{x}
}

func checkText(t *testing.T, in tensor.Item, got payload.Result) {
	t.Helper()
	sum := 0.0
	double := got.Outputs[0].Numbers()
	if len(double) != len(in[0].Numbers()) {
		t.Fatalf("%d numbers for a text of %v", len(double), in[0].Shape)
	}
	for i, v := range in[0].Numbers() {
		sum += v
		if double[i] != 2*v {
			t.Errorf("number %d is %v, want %v", i, double[i], 2*v)
		}
	}
	if s := got.Outputs[1].Numbers(); len(s) != 1 || s[0] != sum {
		t.Errorf("sum = %v, want %v", s, sum)
	}
}

// TestOpenInputs runs more lengths and batch sizes than a state keeps views of.
func TestOpenInputs(t *testing.T) {
	s := open(t, texts(t), config(2)).(*session)
	for round := range 2 {
		for n := 1; n <= 40; n++ {
			for _, size := range []int{1, 2, 5} {
				items := make([]tensor.Item, size)
				for k := range items {
					items[k] = text(n, float64(100*k+round))
				}
				for k, got := range run(t, s, items...) {
					checkText(t, items[k], got)
				}
			}
		}
	}
	st := s.idle[0]
	if n := len(st.open.all); n != maxOpenViews {
		t.Errorf("%d views, want %d", n, maxOpenViews)
	}
}

func TestOpenInputsAreEqual(t *testing.T) {
	s := open(t, texts(t), config(2))
	err := s.Run(t.Context(), payload.OfItems(text(3, 0), text(4, 0)), make([]payload.Result, 2))
	if err == nil || !strings.Contains(err.Error(), "must have equal shapes") {
		t.Errorf("rows of two shapes: %v", err)
	}
	checkText(t, text(3, 1), run(t, s, text(3, 1))[0]) // the session goes on
}

// TestOpenInputsAllocate checks that a run of a shape that occurred before allocates no more
// than one of a model with fixed inputs does: the results.
func TestOpenInputsAllocate(t *testing.T) {
	b := builder.New("sums", 1)
	x := b.Input("x", float, batchDim, onnxgraph.Open("S"))
	b.Output("sum", b.Op("ReduceSum", []string{x, b.Ints([]int64{1}, 1)}), float, batchDim, dim(1))
	allocs := func(size int64) float64 {
		m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, size)}, []tensor.Spec{spec("sum", tensor.Float32, 1)})
		s := open(t, m, config(4))
		in, out := payload.OfItems(text(9, 1), text(9, 2)), make([]payload.Result, 2)
		return testing.AllocsPerRun(200, func() {
			if err := s.Run(t.Context(), in, out); err != nil {
				t.Fatal(err)
			}
		})
	}
	if open, fixed := allocs(-1), allocs(9); open > fixed {
		t.Errorf("%v allocations per run with open inputs, %v with fixed ones", open, fixed)
	}
}
