package catalog_test

import (
	"strings"
	"testing"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// TestOpenLooksForOtherAnswers: a mix of equal answers would not be seen.
func TestOpenLooksForOtherAnswers(t *testing.T) {
	boolean := onnxpb.TensorProto_BOOL
	// above compares x, or x less its mean over the batch, with a threshold.
	above := func(threshold float32, mix bool) *builder.Builder {
		b := builder.New("above", 1)
		x := b.Input("x", floats, n, four)
		if mix {
			mean := b.Op("ReduceMean", []string{x}, onnxpb.AttrInts("axes", 0))
			x = b.Op("Add", []string{x, b.Op("Sub", []string{x, mean})})
		}
		b.Output("y", b.Op("Greater", []string{x, b.Floats([]float32{threshold})}), boolean, n, four)
		return b
	}
	for _, tc := range []struct {
		name  string
		build *builder.Builder
		batch bool
		why   string
	}{
		{"mixes", above(1000, true), false, "together have other outputs than each alone"},
		{"right", above(1000, false), true, agree},
		{"never true", above(1e30, false), true, agree + "; all their answers are equal, so that it would not be seen if a batch mixed them"},
	} {
		m, err := catalog.Open(t.Context(), file(t, tc.build, "m.onnx"), catalog.Options{Probe: probe(t)})
		if err != nil {
			t.Fatal(err)
		}
		if m.BatchAxis != tc.batch || !strings.HasSuffix(m.BatchWhy, tc.why) {
			t.Errorf("%s: batch %t: %s", tc.name, m.BatchAxis, m.BatchWhy)
		}
	}
}

// TestOpenVerifiesOtherLengths: a model may mix short texts only.
func TestOpenVerifiesOtherLengths(t *testing.T) {
	b := builder.New("short", 1)
	length := onnxgraph.Open("L")
	x := b.Input("x", floats, n, length)
	size := b.Op("Gather", []string{b.Op("Shape", []string{x}), b.Ints([]int64{1}, 1)})
	five := b.Op("Cast", []string{b.Op("Equal", []string{size, b.Ints([]int64{5}, 1)})}, onnxpb.AttrInt("to", int64(floats)))
	sum := b.Op("Mul", []string{b.Op("ReduceSum", []string{x, b.Ints([]int64{0}, 1)}), five})
	b.Output("y", b.Op("Add", []string{x, sum}), floats, n, length)
	path := file(t, b, "m.onnx")
	body := func(data string) catalog.Body { return catalog.Body{Type: "application/json", Data: []byte(data)} }
	for _, bodies := range [][]catalog.Body{nil, {body("[1,2,3]"), body("[4,5,6]")}} {
		m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: probe(t), Bodies: bodies})
		if err != nil {
			t.Fatal(err)
		}
		if m.BatchAxis || !strings.HasSuffix(m.BatchWhy, ", but 2 items together have other outputs than each alone") {
			t.Errorf("%d bodies: batch %t: %s", len(bodies), m.BatchAxis, m.BatchWhy)
		}
	}
}
