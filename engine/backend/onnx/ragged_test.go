package onnx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// finder is a model with ragged outputs: an entry for each positive number in a batch of
// items of 3, sorted by column, so that the entries of items are mixed. off is added to the
// index.
func finder(t testing.TB, off int64) *engine.Model {
	b := builder.New("finder", 1)
	x := b.Input("x", float, batchDim, dim(3))
	turned := b.Op("Transpose", []string{x}, onnxpb.AttrInts("perm", 1, 0))
	at := b.Op("NonZero", []string{b.Op("Greater", []string{turned, b.Floats([]float32{0})})})
	pair := b.Op("Transpose", []string{b.Op("Gather", []string{at, b.Ints([]int64{1, 0}, 2)})}, onnxpb.AttrInts("perm", 1, 0))
	index := b.Op("Gather", []string{at, b.Ints([]int64{1})})
	rows := onnxgraph.Open("D")
	b.Output("value", b.Op("GatherND", []string{x, pair}), float, rows)
	b.Output("pair", b.Op("Identity", []string{pair}), onnxpb.TensorProto_INT64, rows, dim(2))
	b.Output("batch_idx", b.Op("Add", []string{index, b.Ints([]int64{off})}), onnxpb.TensorProto_INT64, rows)
	b.Output("sum", b.Op("ReduceSum", []string{x, b.Ints([]int64{1}, 1)}), float, batchDim, dim(1))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 3)}, []tensor.Spec{
		spec("value", tensor.Float32, -1), spec("pair", tensor.Int64, -1, 2), spec("batch_idx", tensor.Int64, -1), spec("sum", tensor.Float32, 1),
	})
	m.Ragged = engine.RaggedOutputs{Index: "batch_idx", Outputs: []string{"value", "pair", "batch_idx"}}
	return m
}

func TestEntriesAreAssignedToItems(t *testing.T) {
	s := open(t, finder(t, 0), config(2))
	items := []tensor.Item{
		{floats([]int64{3}, 1, -1, 2)},
		{floats([]int64{3}, -1, -2, -3)},
		{floats([]int64{3}, 3, 4, 5)},
		{floats([]int64{3}, 0, 0, 6)},
	}
	for _, n := range []int{4, 1, 2, 3} {
		want := [][]float32{{1, 2}, {}, {3, 4, 5}, {6}}
		for k, got := range run(t, s, items[:n]...) {
			rows := int64(len(want[k]))
			if diff := cmp.Diff(floats([]int64{rows}, want[k]...), got.Outputs[0], cmp.Transformer("text", func(b []byte) string { return string(b) })); diff != "" {
				t.Errorf("item %d of %d: %s", k, n, diff)
			}
			if index := got.Outputs[2]; strings.Trim(string(index.Data), "\x00") != "" || len(index.Data) != 8*len(want[k]) {
				t.Errorf("item %d of %d: index %v, want zeros", k, n, index)
			}
			if pair := got.Outputs[1]; !cmp.Equal(pair.Shape, []int64{rows, 2}) || len(pair.Data) != 16*len(want[k]) {
				t.Errorf("item %d of %d: pairs are %v of %d bytes", k, n, pair.Shape, len(pair.Data))
			}
		}
	}
	none := run(t, s, items[1], items[1])
	if got := none[1].Outputs; len(got[0].Data) != 0 || got[1].Shape[0] != 0 || len(got[3].Data) != 4 {
		t.Errorf("two items without rows: %v", got)
	}
	first := run(t, s, items[0], items[2])
	_ = append(first[0].Outputs[0].Data, 9) // must not change the next item
	if second := run(t, s, items[2])[0]; string(first[1].Outputs[0].Data) != string(second.Outputs[0].Data) {
		t.Error("an append to the entries of an item changed those of another")
	}
}

func TestIndexOutOfRange(t *testing.T) {
	item := tensor.Item{floats([]int64{3}, 1, 1, 1)}
	for _, off := range []int64{1, -1} {
		err := open(t, finder(t, off), config(1)).Run(t.Context(), payload.OfItems(item), make([]payload.Result, 1))
		if want := fmt.Sprintf(`output "batch_idx" maps entry 0 to item %d of 1`, off); err == nil || err.Error() != want {
			t.Errorf("Run = %v, want %s", err, want)
		}
	}
	m := finder(t, 0)
	m.Outputs[3].Shape, m.Ragged.Outputs = []int64{-1, -1}, []string{"value", "pair", "batch_idx", "sum"}
	err := open(t, m, config(1)).Run(t.Context(), payload.OfItems(item), make([]payload.Result, 1))
	if want := `output "sum" is [1 1], but the index has 3 entries`; err == nil || err.Error() != want {
		t.Errorf("Run = %v, want %s", err, want)
	}
}

func TestRaggedOutputsNeedAnIndex(t *testing.T) {
	for want, change := range map[string]func(*engine.Model){
		`there is no output "owner" to map the entries`:             func(m *engine.Model) { m.Ragged.Index = "owner" },
		`"value" maps entries to items and must be INT64, not FP32`: func(m *engine.Model) { m.Ragged.Index = "value" },
		`"value" has no dimensions or has texts, so it cannot`:      func(m *engine.Model) { m.Outputs[0].Shape = []int64{} },
	} {
		m := finder(t, 0)
		change(m)
		if _, err := newPlan(m, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("newPlan = %v, want an error with %q", err, want)
		}
	}
}
