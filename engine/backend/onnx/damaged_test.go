package onnx

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// damaged returns a valid model with one change.
func damaged(t testing.TB, change func(*onnxpb.ModelProto)) *engine.Model {
	t.Helper()
	good := *layers(t, 2, 4, 4)
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(good.Bytes, &m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	data, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	good.Bytes = data
	return &good
}

// TestDamagedModels checks that the error is one line and that the process does not crash.
func TestDamagedModels(t *testing.T) {
	b := backend(t)
	far := []*onnxpb.StringStringEntryProto{{Key: "location", Value: "../../weights.bin"}}
	for name, change := range map[string]func(*onnxpb.ModelProto){
		"one byte":             nil,
		"no graph":             func(m *onnxpb.ModelProto) { m.Graph = nil },
		"unknown operator":     func(m *onnxpb.ModelProto) { m.Graph.Node[0].OpType = "Teleport" },
		"unknown domain":       func(m *onnxpb.ModelProto) { m.Graph.Node[0].Domain = "org.nowhere" },
		"opset of the future":  func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = 99 },
		"format of the future": func(m *onnxpb.ModelProto) { m.IrVersion = 99 },
		"missing initializer":  func(m *onnxpb.ModelProto) { m.Graph.Initializer = m.Graph.Initializer[1:] },
		"short initializer":    func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].RawData = make([]byte, 7) },
		"negative dimension":   func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].Dims[0] = -4 },
		"huge dimension":       func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].Dims[0] = 1 << 62 },
		"wrong shape":          func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].Dims = []int64{2, 8} },
		"cycle":                func(m *onnxpb.ModelProto) { m.Graph.Node[0].Input[0] = "y" },
		"one name twice":       func(m *onnxpb.ModelProto) { m.Graph.Node[1].Output[0] = m.Graph.Node[0].Output[0] },
		"weights outside": func(m *onnxpb.ModelProto) {
			m.Graph.Initializer[0].DataLocation, m.Graph.Initializer[0].ExternalData = 1, far
		},
		"input of another name": func(m *onnxpb.ModelProto) { m.Graph.Input[0].Name = "z" },
	} {
		t.Run(name, func(t *testing.T) {
			m := layers(t, 1, 4, 4)
			m.Bytes = m.Bytes[:1]
			if change != nil {
				m = damaged(t, change)
			}
			s, err := b.Open(t.Context(), m, config(1))
			if err == nil {
				s.Close()
			}
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "the model cannot be loaded: ") {
				t.Errorf("Open = %v, want one line", err)
			}
		})
	}
}

// TestFaultsInARun covers faults that the runtime finds only in a run, or not at all. The
// session stays usable.
func TestFaultsInARun(t *testing.T) {
	good := layers(t, 1, 4, 4)
	t.Run("input of another name", func(t *testing.T) {
		m := *good
		m.Inputs = []tensor.Spec{spec("nope", tensor.Float32, 4)}
		err := open(t, &m, config(1)).Run(t.Context(), payload.OfItems(samples(&m, 1)...), make([]payload.Result, 1))
		if err == nil || !strings.Contains(err.Error(), "nope") || strings.Contains(err.Error(), "\n") {
			t.Errorf("Run = %v, want one line with the name", err)
		}
	})
	t.Run("output of another size", func(t *testing.T) { // the run is right
		m := *good
		m.Outputs = []tensor.Spec{spec("y", tensor.Float32, 5)}
		items := samples(good, 3)
		want := singles(t, open(t, good, config(1)), items)
		s := open(t, &m, config(3))
		for range 2 {
			for i, got := range run(t, s, items...) {
				if !same(got, want[i]) || !cmp.Equal(got.Outputs[0].Shape, []int64{4}) {
					t.Errorf("item %d: %v of %v", i, got.Outputs[0].Shape, got)
				}
			}
		}
		if !s.(*session).allocated.Load() {
			t.Error("each run is tried with buffers of the wrong size first")
		}
	})
	t.Run("NaN", func(t *testing.T) { // no error: the caller must check the numbers
		got := run(t, open(t, good, config(1)), tensor.Item{floats([]int64{4}, float32(math.NaN()), 1, 1, 1)})
		if v := math.Float32frombits(binary.LittleEndian.Uint32(got[0].Outputs[0].Data)); v == v {
			t.Errorf("a NaN in the input became %v", v)
		}
	})
}

func TestOpenNamesAFolder(t *testing.T) {
	m := *layers(t, 1, 4, 4)
	m.Path, m.Bytes = t.TempDir(), nil
	_, err := backend(t).Open(t.Context(), &m, config(1))
	if want := "the model cannot be loaded: " + m.Path + " is a folder"; err == nil || err.Error() != want {
		t.Errorf("Open = %v, want %s", err, want)
	}
}

// TestMutatedModels loads models with random faults, and runs those that load. The process
// must not crash.
func TestMutatedModels(t *testing.T) {
	b := backend(t)
	good := layers(t, 2, 4, -1)
	items := samples(good, 2)
	rng := rand.New(rand.NewPCG(7, 8))
	loaded := 0
	for range 400 {
		m := *good
		m.Bytes = bytes.Clone(good.Bytes)
		for range 1 + rng.IntN(4) {
			m.Bytes[rng.IntN(len(m.Bytes))] = byte(rng.UintN(256))
		}
		s, err := b.Open(t.Context(), &m, config(2))
		if err != nil {
			continue
		}
		loaded++
		_ = s.Run(t.Context(), payload.OfItems(items...), make([]payload.Result, 2))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if loaded < 50 {
		t.Errorf("only %d of 400 models loaded: the mutations are too rough to test runs", loaded)
	}
}

// TestRuntimeIsSilent runs failing models in a child process: the runtime would write to its
// standard error by default.
func TestRuntimeIsSilent(t *testing.T) {
	b := backend(t)
	const child = "SWEETSPOT_TEST_CHILD"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRuntimeIsSilent$")
		cmd.Env = append(os.Environ(), child+"=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Errorf("the runtime wrote to standard error: %s (%v)", stderr.String(), err)
		}
		return
	}
	graph := builder.New("lookup", 1)
	ids := graph.Input("ids", onnxpb.TensorProto_INT64, batchDim, dim(1))
	graph.Output("y", graph.Op("Gather", []string{graph.Random(1, 10, 4), ids}), float, batchDim, dim(1), dim(4))
	m := modelOf(t, graph, []tensor.Spec{spec("ids", tensor.Int64, 1)}, []tensor.Spec{spec("y", tensor.Float32, 1, 4)})
	s := open(t, m, config(1))
	bad := tensor.Item{{Type: tensor.Int64, Shape: []int64{1}, Data: []byte{99, 0, 0, 0, 0, 0, 0, 0}}}
	if err := s.Run(t.Context(), payload.OfItems(bad), make([]payload.Result, 1)); err == nil {
		t.Error("an index beyond the table is not an error")
	}
	broken := damaged(t, func(m *onnxpb.ModelProto) { m.Graph.Node[0].OpType = "Teleport" })
	if _, err := b.Open(t.Context(), broken, config(1)); err == nil {
		t.Error("an unknown operator is not an error")
	}
}
