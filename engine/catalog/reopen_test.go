package catalog_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/tensor"
)

// TestShapesStayOpen: --shape has the sizes of made requests, and others are served too if they run.
// Images and inputs with several open dimensions are fixed.
func TestShapesStayOpen(t *testing.T) {
	open, three := onnxgraph.Open(""), onnxgraph.Dim{Size: 3}
	words := file(t, encoder(), "words.onnx")
	wide := dims(n, three, four, open)
	for _, tc := range []struct {
		name    string
		path    string
		shapes  map[string][]int64
		values  map[string]string
		inputs  []string
		lengths map[string]string
	}{
		{"text", words, map[string][]int64{"input_ids": {1, 16}}, nil, []string{"input_ids INT64 [-1]", "attention_mask INT64 [-1]"}, map[string]string{"input_ids": "16", "attention_mask": "16"}},
		{"text with a constant mask", words, map[string][]int64{"input_ids": {16}}, map[string]string{"attention_mask": "1"}, []string{"input_ids INT64 [-1]"}, map[string]string{"input_ids": "16"}},
		{"image of any width", file(t, identity(wide, wide), "wide.onnx"), map[string][]int64{"x": {6}}, nil, []string{"x FP32 [3 4 6]"}, nil},
		{"two open dimensions", file(t, identity(dims(n, open, open), dims(n, open, open)), "two.onnx"), map[string][]int64{"x": {5, 6}}, nil, []string{"x FP32 [5 6]"}, nil},
	} {
		m, err := catalog.Open(t.Context(), tc.path, catalog.Options{Shapes: tc.shapes, Values: tc.values, Probe: probe(t)})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var inputs []string
		for _, s := range m.Inputs {
			inputs = append(inputs, s.String())
		}
		if diff := cmp.Diff([]any{tc.inputs, tc.lengths, true}, []any{inputs, m.LoadLengths, m.BatchAxis}); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.name, diff)
		}
	}
}

// TestShapesOfOneSize: a model that runs at the size of --shape only takes no other.
func TestShapesOfOneSize(t *testing.T) {
	path := file(t, identity(dims(n, onnxgraph.Open("L")), dims(n, onnxgraph.Open("L"))), "m.onnx")
	open := 0
	for runs, want := range map[int64]string{16: "x FP32 [16]", 32: "x FP32 [-1]"} { // another size that runs
		run := func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
			for _, r := range rows {
				if r.Shape[0] != 16 && r.Shape[0] != runs {
					return nil, errors.New("wrong size")
				}
			}
			return rows, nil
		}
		m, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: map[string][]int64{"x": {16}}, Probe: fake{run, &open}})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Inputs[0].String(); got != want || !m.BatchAxis || open != 0 {
			t.Errorf("%s, batch axis %t, %d sessions open; want %s", got, m.BatchAxis, open, want)
		}
	}
}
