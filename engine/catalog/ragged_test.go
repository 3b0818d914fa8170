package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// finder is a model with ragged outputs: an entry for every positive number of its items,
// with its value, its column and, in the output index, its item. last sorts the entries by
// column instead of by item. The output score has the batch axis.
func finder(index string, least float32, indexDims []onnxgraph.Dim, last bool) *builder.Builder {
	b := builder.New("finder", 1)
	x := b.Input("x", floats, n, four)
	in := x
	if last {
		in = b.Op("Transpose", []string{x}, onnxpb.AttrInts("perm", 1, 0))
	}
	at := b.Op("NonZero", []string{b.Op("Greater", []string{in, b.Floats([]float32{least})})})
	of, place := b.Ints([]int64{0}), b.Ints([]int64{1})
	if last {
		of, place = place, of
	}
	item := b.Op("Gather", []string{at, of}, onnxpb.AttrInt("axis", 0))
	column := b.Op("Gather", []string{at, place}, onnxpb.AttrInt("axis", 0))
	pair := b.Op("Concat", []string{b.Op("Unsqueeze", []string{item, b.Ints([]int64{1}, 1)}), b.Op("Unsqueeze", []string{column, b.Ints([]int64{1}, 1)})}, onnxpb.AttrInt("axis", 1))
	b.Output("values", b.Op("GatherND", []string{x, pair}), floats, onnxgraph.Open("D"))
	b.Output("columns", b.Op("Identity", []string{column}), ints, onnxgraph.Open("D"))
	b.Output(index, b.Op("Identity", []string{item}), ints, indexDims...)
	b.Output("score", b.Op("ReduceMax", []string{x}, onnxpb.AttrInts("axes", 1)), floats, n, onnxgraph.Dim{Size: 1})
	return b
}

func TestOpenFindsRaggedOutputs(t *testing.T) {
	b := probe(t)
	d := dims(onnxgraph.Open("D"))
	const found = agree
	for _, tc := range []struct {
		name  string
		build *builder.Builder
		rows  []string
		why   string
	}{
		{"batch_idx", finder("batch_idx", -0.5, d, false), []string{"values", "columns", "batch_idx"}, "dim 0 of x is open, batch_idx maps entries to items" + found},
		{"entries of items mixed", finder("det.batchIndices", -0.5, d, true), []string{"values", "columns", "det.batchIndices"}, "dim 0 of x is open, det.batchIndices maps entries to items" + found},
		{"unnamed dimension", finder("batch_index", -0.5, dims(onnxgraph.Dim{Size: -1}), false), []string{"values", "columns", "batch_index"}, "dim 0 of x is open, batch_index maps entries to items" + found},
		{"no entries", finder("batch_idx", 1e9, d, false), nil, "dim 0 of x is open, batch_idx maps entries to items, but a sample item had no entries, so that a batch cannot be verified"},
		{"other name", finder("owner", -0.5, d, false), nil, "dim 0 of x is open, but "},
		{"led by the batch", finder("batch_idx", -0.5, dims(n), false), nil, "dim 0 of x is open, but "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := catalog.Open(t.Context(), file(t, tc.build, "m.onnx"), catalog.Options{Probe: b})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.rows, m.Ragged.Outputs); diff != "" || m.BatchAxis != (tc.rows != nil) || !strings.HasPrefix(m.BatchWhy, tc.why) {
				t.Errorf("batch %t: %s; ragged outputs %s", m.BatchAxis, m.BatchWhy, diff)
			}
			serve(t, b, m)
		})
	}
}

// TestOpenRejectsWrongIndex opens a graph whose index has the right name but does not map
// entries to items.
func TestOpenRejectsWrongIndex(t *testing.T) {
	b := builder.New("odd", 1)
	x := b.Input("x", floats, n, four)
	at := b.Op("NonZero", []string{b.Op("Greater", []string{x, b.Floats([]float32{-0.5})})})
	column := b.Op("Gather", []string{at, b.Ints([]int64{1})}, onnxpb.AttrInt("axis", 0))
	b.Output("batch_ids", column, onnxpb.TensorProto_INT64, onnxgraph.Open("D"))
	m, err := catalog.Open(t.Context(), file(t, b, "odd.onnx"), catalog.Options{Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	if m.BatchAxis || !cmp.Equal(m.Ragged, engine.RaggedOutputs{}) || !strings.Contains(m.BatchWhy, "batch_ids maps entries to items, but 2 items together fail: output") {
		t.Errorf("batch %t: %s; ragged outputs %v", m.BatchAxis, m.BatchWhy, m.Ragged)
	}
}

func TestBuiltinShapes(t *testing.T) {
	for _, tc := range []struct {
		shapes map[string][]int64
		want   int64
	}{
		{nil, -1},
		{map[string][]int64{"input_ids": {64}}, 64},
		{map[string][]int64{"attention_mask": {16}}, 16},
	} {
		m, err := catalog.Open(t.Context(), "builtin:encoder", catalog.Options{Shapes: tc.shapes})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range m.Inputs {
			if !cmp.Equal(in.Shape, []int64{tc.want}) {
				t.Errorf("with %v input %s takes %v, want %d", tc.shapes, in.Name, in.Shape, tc.want)
			}
		}
	}
	m, err := catalog.Open(t.Context(), "builtin:encoder", catalog.Options{Shapes: map[string][]int64{"input_ids": {513}}, Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	if !m.Unsampled || len(m.Warnings) != 1 || !strings.HasPrefix(m.Warnings[0], "made-up values do not run (an item of [513] does not run: operator ") {
		t.Errorf("513 tokens, but 512 positions: unsampled %t, warnings %q", m.Unsampled, m.Warnings)
	}
}
