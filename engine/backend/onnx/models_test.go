package onnx

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

const float = onnxpb.TensorProto_FLOAT

var batchDim = onnxgraph.Open("N")

// backend returns the ONNX Runtime backend; without its library the test is skipped.
func backend(t testing.TB) *Backend {
	t.Helper()
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skip(err)
	}
	b, err := New(lib.Path, runtime.NumCPU(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func config(batch int) knob.Config {
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	c.BatchSize = batch
	return c
}

// open opens m and closes it at the end of the test.
func open(t testing.TB, m *engine.Model, c knob.Config) engine.Session {
	t.Helper()
	s, err := backend(t).Open(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dim(n int64) onnxgraph.Dim { return onnxgraph.Dim{Size: n} }

func modelOf(t testing.TB, b *builder.Builder, in, out []tensor.Spec) *engine.Model {
	t.Helper()
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return &engine.Model{Name: "test", Bytes: data, Inputs: in, Outputs: out, BatchAxis: true}
}

func spec(name string, typ tensor.Type, shape ...int64) tensor.Spec {
	if shape == nil {
		shape = []int64{}
	}
	return tensor.Spec{Name: name, Type: typ, Shape: shape}
}

// layers is a model of n dense layers whose output is declared with outShape; [-1] is an
// open dimension.
func layers(t testing.TB, n int, width int64, outShape ...int64) *engine.Model {
	b := builder.New("layers", 7)
	y := b.Input("x", float, batchDim, dim(width))
	for range n {
		y = b.Op("Relu", []string{b.Op("MatMul", []string{y, b.Random(.05, width, width)})})
	}
	b.Output("y", y, float, batchDim, onnxgraph.Open("M"))
	return modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, width)}, []tensor.Spec{spec("y", tensor.Float32, outShape...)})
}

func rand1() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

func samples(m *engine.Model, n int) []tensor.Item {
	rng := rand.New(rand.NewPCG(3, 4))
	items := make([]tensor.Item, n)
	for i := range items {
		items[i] = tensor.SampleItem(m.Inputs, rng)
	}
	return items
}

func run(t testing.TB, s engine.Session, items ...tensor.Item) []payload.Result {
	t.Helper()
	out := make([]payload.Result, len(items))
	if err := s.Run(t.Context(), payload.OfItems(items...), out); err != nil {
		t.Fatal(err)
	}
	return out
}

// singles runs the items one by one.
func singles(t testing.TB, s engine.Session, items []tensor.Item) []payload.Result {
	var out []payload.Result
	for _, item := range items {
		out = append(out, run(t, s, item)...)
	}
	return out
}

func same(a, b payload.Result) bool {
	if len(a.Outputs) != len(b.Outputs) {
		return false
	}
	for i := range a.Outputs {
		if !bytes.Equal(a.Outputs[i].Data, b.Outputs[i].Data) {
			return false
		}
	}
	return true
}
