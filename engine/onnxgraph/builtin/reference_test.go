package builtin_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
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

// reference is what ../testdata/reference.json, which reference.py makes, says of
// the models; what it says of their twins is for package fp16.
type reference struct {
	Models map[string]struct {
		FLOPs       int64 `json:"flops"`
		FLOPsPerRow int64 `json:"flops_per_row"`
		Outputs     map[string]outputReference
	}
}

// outputReference is what was kept of an output: numbers at some places, the
// largest without its sign, and the mean of all.
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

// runtimeOf is ONNX Runtime; tests that need it are skipped without a library.
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

// TestModelsRun runs two items of each model. Its answers are those that the
// reference evaluator of the onnx package gave, and near those of its FP16 twin.
func TestModelsRun(t *testing.T) {
	b, all := runtimeOf(t), readReference(t)
	for _, net := range builtin.Models() {
		t.Run(net.Name, func(t *testing.T) {
			ref := all.Models[net.Name]
			if net.FLOPs != ref.FLOPs || net.FLOPsPerRow != ref.FLOPsPerRow {
				t.Errorf("%d FLOPs and %d per row are documented, the evaluator did %d and %d", net.FLOPs, net.FLOPsPerRow, ref.FLOPs, ref.FLOPsPerRow)
			}
			m := openBuiltin(t, net.Name)
			items := madeUp(m.Inputs, 2)
			full := runItems(t, b, m, items, knob.FullPrecision)
			half := runItems(t, b, m, items, knob.HalfPrecision)
			if len(m.Outputs) != len(ref.Outputs) {
				t.Errorf("%d outputs, want %d", len(m.Outputs), len(ref.Outputs))
			}
			for i, out := range m.Outputs {
				got := joined(full, i)
				closeTo(t, out.Name+" of the twin", joined(half, i), got, 1e-2)
				if out.Name != m.Rows.Index { // which counts from 0 in each item
					ref.Outputs[out.Name].check(t, out.Name, got)
				}
			}
		})
	}
}

// check compares all numbers of an output with what was kept of them.
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

func openBuiltin(t *testing.T, name string) *engine.Model {
	t.Helper()
	m, err := catalog.Open(t.Context(), "builtin:"+name, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// madeUp is n items of the numbers that reference.py makes up.
func madeUp(inputs []tensor.Spec, n int) []tensor.Item {
	items := make([]tensor.Item, n)
	for _, s := range inputs {
		next := uint32(0)
		for k := range items {
			t := tensor.Tensor{Type: s.Type, Shape: s.Shape}
			for i := range tensor.Elements(s.Shape) {
				next += 2654435761
				t.Data = appendMadeUp(t.Data, s, float64(next)/(1<<32), k, i)
			}
			items[k] = append(items[k], t)
		}
	}
	return items
}

func appendMadeUp(data []byte, s tensor.Spec, v float64, item int, i int64) []byte {
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

// joined is output i of all items, one after the other.
func joined(results []payload.Result, i int) []float64 {
	var out []float64
	for _, r := range results {
		out = append(out, r.Outputs[i].Numbers()...)
	}
	return out
}

// closeTo compares within a share of the largest number.
func closeTo(t *testing.T, what string, got, want []float64, share float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	largest, apart := 0.0, 0.0
	for i := range want {
		largest, apart = max(largest, math.Abs(want[i])), max(apart, math.Abs(got[i]-want[i]))
	}
	if !(apart <= share*largest) {
		t.Errorf("%s: off by %g of %g", what, apart, largest)
	}
}
