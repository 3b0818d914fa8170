package builtin_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph/builtin"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// reference has the results for the models of ../testdata/reference.json, which reference.py
// writes; the results for FP16 are for package fp16.
type reference struct {
	Models map[string]struct {
		FLOPs       int64 `json:"flops"`
		FLOPsPerRow int64 `json:"flops_per_row"`
		Outputs     map[string]outputReference
	}
}

// outputReference summarizes an output: some of its numbers, the largest absolute value, and
// the mean.
type outputReference struct {
	Shape         []int64
	At            []int
	Values        []float64
	Largest, Mean float64
}

func readReference(t *testing.T) (r reference) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// runtimeOf returns the ONNX Runtime backend; without its library the test is skipped.
func runtimeOf(t testing.TB) *onnx.Backend {
	t.Helper()
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skip(err)
	}
	b, err := onnx.New(lib.Path, runtime.NumCPU(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestModelsRun runs two items of each model. The outputs must equal those of the reference
// evaluator of the onnx package, and be close to those in FP16.
func TestModelsRun(t *testing.T) {
	b, all := runtimeOf(t), readReference(t)
	for _, net := range builtin.Models() {
		t.Run(net.Name, func(t *testing.T) {
			ref := all.Models[net.Name]
			if net.FLOPs != ref.FLOPs || net.FLOPsPerRow != ref.FLOPsPerRow {
				t.Errorf("%d FLOPs and %d per row are documented, the evaluator counted %d and %d", net.FLOPs, net.FLOPsPerRow, ref.FLOPs, ref.FLOPsPerRow)
			}
			m := openBuiltin(t, net)
			items := sequence(m.Inputs, 2)
			full := runItems(t, b, m, items, knob.FullPrecision)
			half := runItems(t, b, m, items, knob.HalfPrecision)
			if len(m.Outputs) != len(ref.Outputs) {
				t.Errorf("%d outputs, want %d", len(m.Outputs), len(ref.Outputs))
			}
			for i, out := range m.Outputs {
				got := joined(full, i)
				closeTo(t, out.Name+" in fp16", joined(half, i), got, 1e-2)
				if out.Name != m.Ragged.Index { // which counts from 0 in each item
					ref.Outputs[out.Name].check(t, out.Name, got)
				}
			}
		})
	}
}

// check compares an output with its summary.
func (r outputReference) check(t *testing.T, name string, got []float64) {
	t.Helper()
	if n := tensor.Elements(r.Shape); int64(len(got)) != n {
		t.Errorf("%s has %d numbers, want %d", name, len(got), n)
		return
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-4*r.Largest {
			t.Errorf("%s: %s is %v, want %v", name, what, got, want)
		}
	}
	sum := 0.0
	for _, v := range got {
		sum += v
	}
	near("mean", sum/float64(len(got)), r.Mean)
	for k, at := range r.At {
		near(fmt.Sprintf("number %d", at), got[at], r.Values[k])
	}
}

// openBuiltin opens a model with its default sizes.
func openBuiltin(t *testing.T, net builtin.Model) *engine.Model {
	t.Helper()
	m, err := catalog.Open(t.Context(), "builtin:"+net.Name, catalog.Options{Shapes: net.Shapes})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sequence returns n items of the numbers that reference.py generates.
func sequence(inputs []tensor.Spec, n int) []tensor.Item {
	items := make([]tensor.Item, n)
	for _, s := range inputs {
		next := uint32(0)
		for k := range items {
			t := tensor.Tensor{Type: s.Type, Shape: slices.Clone(s.Shape)}
			for i, d := range t.Shape {
				if d < 0 {
					t.Shape[i] = 64 // the length in reference.py
				}
			}
			for i := range tensor.Elements(t.Shape) {
				next += 2654435761
				t.Data = appendSequence(t.Data, s, float64(next)/(1<<32), k, i)
			}
			items[k] = append(items[k], t)
		}
	}
	return items
}

func appendSequence(data []byte, s tensor.Spec, v float64, item int, i int64) []byte {
	switch {
	case strings.Contains(s.Name, "mask") && item == 1 && i >= 48:
		v = 0
	case strings.Contains(s.Name, "mask"):
		v = 1
	case s.Type == tensor.Int64:
		v = math.Floor(v * 8192)
	case len(s.Shape) < 3:
		v = 2*v - 1
	}
	if s.Type.IsFloat() {
		return tensor.AppendFloat(data, s.Type, v)
	}
	return tensor.AppendInt(data, s.Type, int64(v))
}

func runItems(t *testing.T, b *onnx.Backend, m *engine.Model, items []tensor.Item, p knob.Precision) []payload.Result {
	t.Helper()
	c := knob.Config{Settings: knob.Default(knob.Eager)}
	c.BatchSize, c.Precision = len(items), p
	s, err := b.Open(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	results := make([]payload.Result, len(items))
	if err := s.Run(t.Context(), payload.OfItems(items...), results); err != nil {
		t.Fatal(err)
	}
	return results
}

// joined concatenates output i of all items.
func joined(results []payload.Result, i int) []float64 {
	var out []float64
	for _, r := range results {
		out = append(out, r.Outputs[i].Numbers()...)
	}
	return out
}

// closeTo compares with a tolerance relative to the largest number.
func closeTo(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	largest, apart := 0.0, 0.0
	for i := range want {
		largest, apart = max(largest, math.Abs(want[i])), max(apart, math.Abs(got[i]-want[i]))
	}
	if !(apart <= tolerance*largest) {
		t.Errorf("%s: difference %g, largest number %g", what, apart, largest)
	}
}
