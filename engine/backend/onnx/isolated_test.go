package onnx

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// probeEnv makes a test binary the child of an isolated probe.
const probeEnv = "SWEETSPOT_TEST_PROBE"

// TestProbeChild is the child.
func TestProbeChild(t *testing.T) {
	if os.Getenv(probeEnv) == "" {
		t.Skip("this is the child of TestIsolated")
	}
	if err := backend(t).ServeProbe(t.Context(), os.Stdin, os.Stdout); err != nil {
		t.Error(err)
	}
}

func isolated(t *testing.T) Isolated {
	return Isolated{backend(t), func(ctx context.Context) *exec.Cmd {
		c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProbeChild$")
		c.Env = append(os.Environ(), probeEnv+"=1")
		return c
	}}
}

// inFile is m with its bytes in a file.
func inFile(t *testing.T, m *engine.Model) *engine.Model {
	t.Helper()
	out := *m
	out.Path, out.Bytes = filepath.Join(t.TempDir(), "m.onnx"), nil
	if err := os.WriteFile(out.Path, m.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestIsolated: a probe in a child process returns what one in this process does.
func TestIsolated(t *testing.T) {
	m := inFile(t, scaled(t))
	m.Inputs[1].Optional = true
	m.Defaults = map[string]tensor.Tensor{"k": floats([]int64{}, 3)}
	direct, err := backend(t).Probe(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	child, err := isolated(t).Probe(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	whole := []tensor.Tensor{floats([]int64{2, 2}, 1, 2, 3, 4), floats([]int64{}, 10), floats([]int64{2}, 1, 2), floats([]int64{2, 1}, 5, 6)}
	rows := payload.OfItems(
		tensor.Item{floats([]int64{2}, 1, 2), {}, floats([]int64{2}, 1, 2), floats([]int64{1}, 5)},
		tensor.Item{floats([]int64{2}, 3, 4), {}, floats([]int64{2}, 1, 2), floats([]int64{1}, 6)})
	var got [2][]any
	for i, p := range []engine.Probe{direct, child} {
		out, err := p.Run(t.Context(), whole)
		_, wrong := p.Run(t.Context(), whole[:2])
		if err != nil || wrong == nil {
			t.Fatalf("Run = %v, with two inputs %v", err, wrong)
		}
		s, err := p.Session(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		results := make([]payload.Result, len(rows))
		if err := s.Run(t.Context(), rows, results); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		got[i] = []any{out, wrong.Error(), results}
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("-direct +isolated\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := child.Run(ctx, whole); !errors.Is(err, context.Canceled) {
		t.Errorf("Run with a context that ended: %v", err)
	}
	if err := child.Close(); err != nil {
		t.Error(err)
	}
	m.Path += ".none"
	if _, err := isolated(t).Probe(t.Context(), m); err == nil || errors.Is(err, engine.ErrCrashed) {
		t.Errorf("a file that does not exist: %v", err)
	}
}

// TestIsolatedCrash: the runtime aborts for a Conv whose weights have another rank, and only the
// child ends. The text of the error is that of the crash.
func TestIsolatedCrash(t *testing.T) {
	b := builder.New("other rank", 1)
	x := b.Input("x", float, batchDim, dim(4))
	b.Output("y", b.Op("Conv", []string{x, b.Random(1, 5, 4, 3, 3)}), float, batchDim, dim(4))
	m := inFile(t, modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 4)}, []tensor.Spec{spec("y", tensor.Float32, 4)}))
	_, err := isolated(t).Probe(t.Context(), m)
	if !errors.Is(err, engine.ErrCrashed) || !strings.HasPrefix(err.Error(), "the runtime crashed on this model (") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Probe = %v, want one line about a crash", err)
	}
	resize := builder.New("scales", 1) // writes beyond its memory
	p := resize.Input("p", float, onnxgraph.Open("P"))
	resize.Output("y", resize.Op("Resize", []string{resize.Input("x", float, batchDim, dim(4)), "", p}), float, onnxgraph.Open("M"), onnxgraph.Open("K"))
	specs := []tensor.Spec{spec("p", tensor.Float32, -1), spec("x", tensor.Float32, 4)}
	m = inFile(t, modelOf(t, resize, specs, []tensor.Spec{spec("y", tensor.Float32, -1, -1)}))
	probe, err := isolated(t).Probe(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	scales := tensor.Tensor{Type: tensor.Float32, Shape: []int64{512}}
	for range 512 {
		scales.Data = tensor.AppendFloat32(scales.Data, 1)
	}
	in := []tensor.Tensor{scales, floats([]int64{1, 4}, 1, 2, 3, 4)}
	for range 2 { // the second one finds the process gone
		if _, err := probe.Run(t.Context(), in); !errors.Is(err, engine.ErrCrashed) {
			t.Logf("this runtime survives it: %v", err)
		}
	}
}
