package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// A reference has the outputs of whole tensors: two rows at once, and scalars.
func TestReference(t *testing.T) {
	b := backend(t)
	graph := builder.New("scaled", 1)
	x, k := graph.Input("x", float, batchDim, dim(2)), graph.Input("k", onnxpb.TensorProto_INT64)
	factor := graph.Op("Cast", []string{k}, onnxpb.AttrInt("to", int64(float)))
	graph.Output("y", graph.Op("Mul", []string{x, factor}), float, batchDim, dim(2))
	graph.Output("next", graph.Op("Add", []string{k, graph.Ints([]int64{1})}), onnxpb.TensorProto_INT64)
	data, err := graph.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := b.Reference(path, []string{"x", "k"}, []string{"y", "next"})
	if err != nil {
		t.Fatal(err)
	}
	scalar := func(v int64) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Int64, Shape: []int64{}, Data: tensor.AppendInt(nil, tensor.Int64, v)}
	}
	want := []tensor.Tensor{floats([]int64{2, 2}, 3, 6, 9, 12), scalar(4)}
	got, err := r.Run([]tensor.Tensor{floats([]int64{2, 2}, 1, 2, 3, 4), scalar(3)}, want)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if !bytes.Equal(got[i].Data, want[i].Data) {
			t.Errorf("output %d is %v, want %v", i, got[i].Numbers(), want[i].Numbers())
		}
	}
	if _, err := r.Run([]tensor.Tensor{floats([]int64{2, 3}, 1, 2, 3, 4, 5, 6), scalar(3)}, want); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("inputs of another shape: %v, want one line", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	checkTextReference(t, b)
	if _, err := b.Reference(path+".gone", []string{"x"}, []string{"y"}); err == nil {
		t.Error("a file that is not there is loaded")
	}
}

// checkTextReference checks a reference of texts.
func checkTextReference(t *testing.T, b *Backend) {
	t.Helper()
	graph := builder.New("same", 1)
	graph.Output("y", graph.Op("Identity", []string{graph.Input("x", onnxpb.TensorProto_STRING, dim(2))}), onnxpb.TensorProto_STRING, dim(2))
	data, err := graph.Bytes()
	path := filepath.Join(t.TempDir(), "text.onnx")
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Reference(path, []string{"x"}, []string{"y"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := []tensor.Tensor{{Type: tensor.String, Shape: []int64{2}, Data: tensor.JoinTexts([]string{"a", "größe"})}}
	if got, err := r.Run(want, want); err != nil || !bytes.Equal(got[0].Data, want[0].Data) {
		t.Errorf("texts are %v, %v", got, err)
	}
}
