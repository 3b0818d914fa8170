//go:build unix

package main

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// caseModel is a small model that people have, with a request and its answer.
type caseModel struct {
	name  string
	build func(*builder.Builder)
	body  string // JSON, or raw bytes
	want  string
}

const (
	caseFloats = onnxpb.TensorProto_FLOAT
	caseInts   = onnxpb.TensorProto_INT64
)

func size(n int64) onnxgraph.Dim { return onnxgraph.Dim{Size: n} }

// caseModels are models of which an earlier version refused, or answered wrongly, a legal request.
func caseModels() []caseModel {
	n, four := onnxgraph.Open("N"), size(4)
	keep := onnxpb.AttrInt("keepdims", 0)
	return []caseModel{
		{"output_is_an_input", func(b *builder.Builder) {
			x := b.Input("x", caseFloats, n, four)
			b.Output("y", b.Op("Relu", []string{x}), caseFloats, n, four)
			b.Output("x", x, caseFloats, n, four)
		}, "[-1, 2, 3, 4]", `{"y": [0,2,3,4], "x": [-1,2,3,4]}`},
		{"rate_that_made_up_values_miss", func(b *builder.Builder) {
			x, rate := b.Input("x", caseFloats, n, four), b.Input("sr", caseInts)
			equal := b.Op("Cast", []string{b.Op("Equal", []string{rate, b.Ints([]int64{16000})})}, onnxpb.AttrInt("to", int64(caseInts)))
			row := b.Op("Mul", []string{b.Op("Sub", []string{equal, b.Ints([]int64{1})}), b.Ints([]int64{50})})
			b.Output("y", b.Op("Mul", []string{x, b.Op("Gather", []string{b.Floats([]float32{2, 3}, 2), row})}), caseFloats, n, four)
		}, `{"x": [1, 2, 3, 4], "sr": 16000}`, "[2,4,6,8]"},
		{"rank_other_than_declared", func(b *builder.Builder) {
			x := b.Input("x", caseFloats, size(1), four)
			b.Output("y", b.Op("Unsqueeze", []string{x, b.Ints([]int64{0}, 1)}), caseFloats, size(1), onnxgraph.Open("L"))
		}, "[1, 2, 3, 4]", "[[[1,2,3,4]]]"},
		{"mask_that_is_a_picture", func(b *builder.Builder) {
			mask := b.Input("mask", onnxpb.TensorProto_UINT8, n, size(2), size(2))
			sum := b.Op("ReduceSum", []string{b.Op("Cast", []string{mask}, onnxpb.AttrInt("to", int64(caseFloats))), b.Ints([]int64{1, 2}, 2)}, keep)
			b.Output("y", sum, caseFloats, n)
		}, "[[255, 0], [128, 200]]", "583"},
		{"minus_infinity", func(b *builder.Builder) {
			sum := b.Op("Add", []string{b.Input("s", caseFloats, n, four), b.Input("bias", caseFloats, n, four)})
			b.Output("y", b.Op("Softmax", []string{sum}, onnxpb.AttrInt("axis", 1)), caseFloats, n, four)
		}, `{"s": [1, 2, 3, 4], "bias": [0, -Infinity, "-Infinity", "-Infinity"]}`, "[1,0,0,0]"},
		{"nan_means_missing", func(b *builder.Builder) {
			x := b.Input("x", caseFloats, n, size(3))
			b.Output("y", b.Op("Where", []string{b.Op("IsNaN", []string{x}), b.Floats([]float32{7}), x}), caseFloats, n, size(3))
		}, string(floats(float32(math.NaN()), 1, 2)), "[7,1,2]"},
		{"body_above_the_usual_limit", func(b *builder.Builder) {
			x := b.Input("x", caseFloats, n, size(1_700_000))
			b.Output("y", b.Op("ReduceSum", []string{x, b.Ints([]int64{1}, 1)}, keep), caseFloats, n)
		}, strings.Repeat("\x00", 4*1_700_000), "0"},
		{"negative_index", func(b *builder.Builder) {
			ids := b.Input("ids", caseInts, n, size(3))
			b.Output("y", b.Op("Gather", []string{b.Floats([]float32{10, 20, 30}, 3), ids}), caseFloats, n, size(3))
		}, "[-1, 0, 2]", "[30,10,30]"},
		{"batch_at_axis_1", func(b *builder.Builder) {
			x := b.Input("x", caseFloats, onnxgraph.Open("seq"), onnxgraph.Open("batch"), size(2))
			b.Output("y", b.Op("CumSum", []string{x, b.Ints([]int64{0})}), caseFloats, onnxgraph.Open("seq"), onnxgraph.Open("batch"), size(2))
		}, "[[1, 2], [3, 4], [5, 6]]", "[[1,2],[4,6],[9,12]]"},
		{"infinities_and_nan_out", func(b *builder.Builder) {
			b.Output("y", b.Op("Log", []string{b.Input("x", caseFloats, n, size(3))}), caseFloats, n, size(3))
		}, "[0, -1, 1]", `["-Infinity","NaN",0]`},
		{"batch_dimension_in_the_middle", func(b *builder.Builder) {
			x := b.Input("x", caseFloats, size(2), n, size(2))
			b.Output("y", b.Op("Neg", []string{x}), caseFloats, size(2), n, size(2))
		}, "[[1, 2], [3, 4]]", "[[-1,-2],[-3,-4]]"},
		{"default_that_is_overridden", func(b *builder.Builder) {
			k := b.Floats([]float32{3}, 1)
			b.Input(k, caseFloats, size(1))
			b.Output("y", b.Op("Mul", []string{b.Input("x", caseFloats, n, four), k}), caseFloats, n, four)
		}, `{"x": [1, 2, 3, 4], "const_1": [5]}`, "[5,10,15,20]"},
		{"output_declared_for_one_item", func(b *builder.Builder) {
			b.Output("y", b.Op("Neg", []string{b.Input("x", caseFloats, n, four)}), caseFloats, size(1), four)
		}, "[1, 2, 3, 4]", "[-1,-2,-3,-4]"},
	}
}

// TestServeCases serves all these models at once. Each request is sent several times at the same
// time.
func TestServeCases(t *testing.T) {
	args, dir := []string{"--disable-token-auth"}, t.TempDir()
	for _, c := range caseModels() {
		args = append(args, writeCase(t, dir, c))
	}
	address, _ := startServer(t, args...)
	for _, c := range caseModels() {
		askCase(t, address, c)
	}
}

// TestServeOtherLengths: --shape is the length of made requests, and another one is answered.
func TestServeOtherLengths(t *testing.T) {
	n, s := onnxgraph.Open("batch"), onnxgraph.Open("sequence")
	c := caseModel{"tokens", func(b *builder.Builder) {
		ids, mask := b.Input("input_ids", caseInts, n, s), b.Input("attention_mask", caseInts, n, s)
		kept := b.Op("Mul", []string{b.Op("Gather", []string{b.Ints([]int64{0, 10, 20, 30}, 4), ids}), mask})
		b.Output("sum", b.Op("ReduceSum", []string{kept, b.Ints([]int64{1}, 1)}, onnxpb.AttrInt("keepdims", 0)), caseInts, n)
	}, `{"input_ids": [1, 2, 3], "attention_mask": [1, 1, 0]}`, "30"}
	address, _ := startServer(t, "--disable-token-auth", "--shape=input_ids=16", "--batch-size=4", "--batch-delay=1ms", writeCase(t, t.TempDir(), c))
	askCase(t, address, c)
}

// writeCase writes the model and returns the path of its file.
func writeCase(t *testing.T, dir string, c caseModel) string {
	t.Helper()
	b := builder.New(c.name, 1)
	c.build(b)
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, c.name+".onnx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// askCase sends the request four times at once.
func askCase(t *testing.T, address string, c caseModel) {
	t.Helper()
	kind := "application/octet-stream"
	if c.body[0] == '[' || c.body[0] == '{' {
		kind = "application/json"
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			res, err := http.Post(address+"/predictions/"+c.name, kind, bytes.NewReader([]byte(c.body)))
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				return
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); err != nil || strings.TrimSpace(string(got)) != c.want {
				t.Errorf("%s: %s %.300s %v, want %s", c.name, res.Status, got, err, c.want)
			}
		})
	}
	wg.Wait()
}
