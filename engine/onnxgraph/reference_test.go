package onnxgraph_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

var export = flag.String("export", "", "write the built-in models to this folder, for testdata/reference.py")

func builtin(t testing.TB, name string) []byte {
	t.Helper()
	for _, b := range onnxgraph.Builtins() {
		if b.Name == name {
			data, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
	t.Fatalf("no built-in model is called %s", name)
	return nil
}

// reference is testdata/reference.json, which reference.py makes.
type reference struct {
	Models map[string]struct {
		FLOPs       int64 `json:"flops"`
		FLOPsPerRow int64 `json:"flops_per_row"`
		Outputs     map[string]outputReference
		Half        struct {
			Initializers int
			SHA256       string
		}
	}
	Edges struct {
		FP32 []uint32 `json:"fp32_bits"`
		FP16 []uint16 `json:"fp16_bits"`
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
	data, err := os.ReadFile(filepath.Join("testdata", "reference.json"))
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
	b, err := onnx.New(lib.Path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBuiltinsRun runs two items of each model. Its answers are those that the
// reference evaluator of the onnx package gave, and near those of its FP16 twin.
func TestBuiltinsRun(t *testing.T) {
	b, all := runtimeOf(t), readReference(t)
	for _, net := range onnxgraph.Builtins() {
		t.Run(net.Name, func(t *testing.T) {
			ref := all.Models[net.Name]
			if net.FLOPs != ref.FLOPs || net.FLOPsPerRow != ref.FLOPsPerRow {
				t.Errorf("%d FLOPs and %d per row are documented, the evaluator did %d and %d", net.FLOPs, net.FLOPsPerRow, ref.FLOPs, ref.FLOPsPerRow)
			}
			m := openBuiltin(t, net.Name)
			items := madeUp(m.Inputs, 2)
			full := runItems(t, b, m, items)
			half := runWith(t, b, m, items, knob.HalfPrecision)
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
	bits, size := uint64(v), s.Type.Size()
	if s.Type == tensor.Float32 {
		bits = uint64(math.Float32bits(float32(v)))
	}
	for b := range size {
		data = append(data, byte(bits>>(8*b)))
	}
	return data
}

func runItems(t *testing.T, b *onnx.Backend, m *engine.Model, items []tensor.Item) []payload.Result {
	t.Helper()
	return runWith(t, b, m, items, knob.FullPrecision)
}

func runWith(t *testing.T, b *onnx.Backend, m *engine.Model, items []tensor.Item, p knob.Precision) []payload.Result {
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
		o := r.Outputs[i]
		size := o.Type.Size()
		for at := 0; at < len(o.Data); at += size {
			var bits uint64
			for b := range size {
				bits |= uint64(o.Data[at+b]) << (8 * b)
			}
			if o.Type == tensor.Float32 {
				out = append(out, float64(math.Float32frombits(uint32(bits))))
			} else {
				out = append(out, float64(int64(bits)))
			}
		}
	}
	return out
}

// TestHalfAgainstConverter compares the numbers of the twins with those that
// onnxconverter-common writes, bit by bit.
func TestHalfAgainstConverter(t *testing.T) {
	want := readReference(t)
	for name, ref := range want.Models {
		if name == "mlp-wide" {
			continue // 50 MB of what mlp has too
		}
		t.Run(name, func(t *testing.T) {
			twin, _, err := onnxgraph.Half(builtin(t, name), onnxgraph.HalfOptions{})
			if err != nil {
				t.Fatal(err)
			}
			sums := map[string]string{}
			for _, c := range parse(t, twin).GetGraph().GetInitializer() {
				if c.GetDataType() == int32(onnxpb.TensorProto_FLOAT16) {
					sum := sha256.Sum256(c.GetRawData())
					sums[c.GetName()] = hex.EncodeToString(sum[:])
				}
			}
			var all strings.Builder
			for _, k := range slices.Sorted(maps.Keys(sums)) {
				fmt.Fprintf(&all, "%s %s\n", k, sums[k])
			}
			if sum := sha256.Sum256([]byte(all.String())); len(sums) != ref.Half.Initializers || hex.EncodeToString(sum[:]) != ref.Half.SHA256 {
				t.Errorf("%d initialisers of sum %x, want %d of %s", len(sums), sum, ref.Half.Initializers, ref.Half.SHA256)
			}
		})
	}
	t.Run("edges", func(t *testing.T) {
		var v []float32
		for _, bits := range want.Edges.FP32 {
			v = append(v, math.Float32frombits(bits))
		}
		if diff := cmp.Diff(want.Edges.FP16, halves(t, v)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestModelsPage keeps docs/models.md at what the models are.
func TestModelsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "models.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, " | "); len(cells) > 5 {
			rows[strings.Trim(cells[0], "| `")] = cells
		}
	}
	for _, b := range onnxgraph.Builtins() {
		work := thousands(b.FLOPs)
		if b.FLOPsPerRow > 0 {
			work += " + " + thousands(b.FLOPsPerRow) + " a row"
		}
		cells := rows[b.Name]
		if len(cells) < 5 || cells[3] != thousands(b.Parameters) || cells[4] != work {
			t.Errorf("docs/models.md says %v of %s, want %s and %s", cells, b.Name, thousands(b.Parameters), work)
		}
	}
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
