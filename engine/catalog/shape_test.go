package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// encoder has two inputs with the dimension S, and a vocabulary of 30 tokens.
func encoder() *builder.Builder {
	s := onnxgraph.Open("S")
	b := builder.New("encoder", 1)
	ids := b.Input("input_ids", ints, n, s)
	mask := b.Input("attention_mask", ints, n, s)
	x := b.Op("Gather", []string{b.Random(1, 30, 4), ids})
	m := b.Op("Unsqueeze", []string{b.Op("Cast", []string{mask}, onnxpb.AttrInt("to", int64(floats))), b.Ints([]int64{2}, 1)})
	b.Output("y", b.Op("Mul", []string{x, m}), floats, n, s, four)
	return b
}

func TestOpenTakesShapes(t *testing.T) {
	path := file(t, encoder(), "encoder.onnx")
	shapes := func(name string, dims ...int64) map[string][]int64 { return map[string][]int64{name: dims} }
	for name, given := range map[string]map[string][]int64{
		"one for both":   shapes("input_ids", 16),
		"with the batch": shapes("attention_mask", 1, 16),
	} {
		m, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: given})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []tensor.Spec{
			{Name: "input_ids", Type: tensor.Int64, Shape: []int64{16}, Bounded: true, Max: 29},
			{Name: "attention_mask", Type: tensor.Int64, Shape: []int64{16}, Bounded: true, Max: 1},
		}
		if diff := cmp.Diff(want, m.Inputs); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff([]int64{16, 4}, m.Outputs[0].Shape); diff != "" {
			t.Errorf("%s: output: %s", name, diff)
		}
	}
	for _, tc := range []struct {
		given map[string][]int64
		want  string
	}{
		{shapes("input_id", 16), "--shape input_id: the model has no such input; did you mean input_ids?"},
		{shapes("input_ids", 2, 16), `shape [2 16] does not fit input "input_ids", which takes [S] per item; write --shape input_ids=64`},
	} {
		_, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: tc.given})
		fails(t, err, tc.want)
	}
}

func TestOpenTakesShapesOfImages(t *testing.T) {
	open := onnxgraph.Dim{Size: -1}
	three := onnxgraph.Dim{Size: 3}
	path := file(t, identity(dims(n, three, open, open), dims(n, three, open, open)), "image.onnx")
	for _, given := range [][]int64{{3, 32, 48}, {1, 3, 32, 48}, {32, 48}} {
		m, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: map[string][]int64{"x": given}})
		if err != nil {
			t.Error(err)
		} else if got := m.Inputs[0].String(); got != "x FP32 [3 32 48]" {
			t.Errorf("shape %v gives %s", given, got)
		}
	}
	for want, given := range map[string][]int64{
		`dimension 0 of an item of input "x" is fixed to 3 and cannot be 4; write --shape x=3x224x224`: {4, 32, 48},
		`shape [48] does not fit input "x", which takes [3 ? ?] per item`:                              {48},
	} {
		_, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: map[string][]int64{"x": given}})
		fails(t, err, want)
	}
}

// TestOpenWithoutLeadingDimension opens inputs without a leading axis.
func TestOpenWithoutLeadingDimension(t *testing.T) {
	b := builder.New("scaled", 1)
	x := b.Input("x", floats, n, four)
	factor := b.Input("factor", floats)
	b.Output("y", b.Op("Mul", []string{x, factor}), floats, n, four)
	m, err := catalog.Open(t.Context(), file(t, b, "scaled.onnx"), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"factor"}, m.Unbatched[:1]); diff != "" || m.BatchAxis || !strings.HasPrefix(m.BatchWhy, "factor has no dimensions") {
		t.Errorf("unbatched %v, batch %t, why %s", m.Unbatched, m.BatchAxis, m.BatchWhy)
	}
	if got := m.Inputs[0].String() + ", " + m.Inputs[1].String(); got != "x FP32 [4], factor FP32 []" {
		t.Errorf("inputs %s", got)
	}
}
