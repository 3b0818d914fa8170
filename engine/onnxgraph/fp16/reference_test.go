package fp16_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph/builtin"
	"sweetspot/engine/onnxgraph/fp16"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// reference has the results for FP16 of ../testdata/reference.json, which reference.py
// writes.
type reference struct {
	Models map[string]struct {
		Half struct {
			Initializers int
			SHA256       string
		}
	}
	Edges struct {
		FP32 []uint32 `json:"fp32_bits"`
		FP16 []uint16 `json:"fp16_bits"`
	}
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

// inMemory returns the bytes of a built-in model.
func inMemory(t testing.TB, name string) []byte {
	t.Helper()
	for _, m := range builtin.Models() {
		if m.Name == name {
			data, err := m.Build()
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
	t.Fatalf("no built-in model is called %s", name)
	return nil
}

func parse(t testing.TB, data []byte) *onnxpb.ModelProto {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAgainstConverter compares the converted weights with those of onnxconverter-common,
// bit by bit.
func TestAgainstConverter(t *testing.T) {
	want := readReference(t)
	for name, ref := range want.Models {
		if name == "mlp-wide" {
			continue // 50 MB of what mlp has too
		}
		t.Run(name, func(t *testing.T) {
			converted, _, err := fp16.Convert(inMemory(t, name), fp16.Options{})
			if err != nil {
				t.Fatal(err)
			}
			sums := map[string]string{}
			for _, c := range parse(t, converted).GetGraph().GetInitializer() {
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
				t.Errorf("%d initializers of sum %x, want %d of %s", len(sums), sum, ref.Half.Initializers, ref.Half.SHA256)
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

// runFour runs m on one item of four numbers between -1 and 1.
func runFour(t *testing.T, b *onnx.Backend, m *engine.Model) tensor.Item {
	t.Helper()
	x := tensor.Tensor{Type: tensor.Float32, Shape: []int64{4}}
	for _, v := range []float32{0.236068, -0.527864, 0.708204, -0.055728} {
		x.Data = tensor.AppendFloat32(x.Data, v)
	}
	s, err := b.Open(t.Context(), m, knob.Config{Settings: knob.Default(knob.Eager)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	results := make([]payload.Result, 1)
	if err := s.Run(t.Context(), payload.OfItems(tensor.Item{x}), results); err != nil {
		t.Fatal(err)
	}
	return results[0].Outputs
}
