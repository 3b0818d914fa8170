package onnx

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

func TestCheckVersion(t *testing.T) {
	for version, ok := range map[string]bool{
		"1.24.0": true, "1.27.0": true, "1.30.0-rc1": true, "1.23.2": false, "1.9.0": false, "2.30.0": false, "": false, "1": false,
	} {
		err := checkVersion("lib.so", version)
		if ok != (err == nil) {
			t.Errorf("checkVersion(%q) = %v, want ok %t", version, err, ok)
		}
		if err != nil && !strings.Contains(err.Error(), "lib.so is ONNX Runtime "+version+"; this program needs 1.24") {
			t.Errorf("checkVersion(%q) = %v, which does not name file, version and need", version, err)
		}
	}
}

func TestNewRefusesOtherFiles(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                        "no path of an ONNX Runtime library is given",
		"/nowhere/onnxruntime.so": "cannot load /nowhere/onnxruntime.so",
		text:                      "cannot load " + text,
		"libm.so.6":               "it is not an ONNX Runtime library",
	} {
		if runtime.GOOS != "linux" && path == "libm.so.6" {
			continue
		}
		_, err := New(path, 1, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q) = %v, want an error with %q", path, err, want)
		}
	}
}

func TestRuntime(t *testing.T) {
	b := backend(t)
	if got := b.Runtime(); !strings.HasPrefix(got, "onnxruntime 1.") || !strings.HasSuffix(got, " cpu") {
		t.Errorf("Runtime() = %q", got)
	}
}

func TestCheckSettings(t *testing.T) {
	b := &Backend{cores: 4}
	tests := []struct {
		name   string
		change func(*knob.Config)
		want   string
	}{
		{"default", func(*knob.Config) {}, ""},
		{"all options", func(c *knob.Config) { c.Session, c.Spin, c.Graph, c.InterOp, c.Arena = "own", "on", "basic", 2, "off" }, ""},
		{"fp16", func(c *knob.Config) { c.Precision = knob.HalfPrecision }, ""},
		{"gpu", func(c *knob.Config) { c.Device = "gpu:1" }, "device: gpu is not available"},
		{"tf32", func(c *knob.Config) { c.TF32 = "off" }, "options: tf32: not available in this engine"},
		{"cuda graphs", func(c *knob.Config) { c.CUDAGraphs = true }, "options: cuda_graphs: not available in this engine"},
		{"no threads", func(c *knob.Config) { c.Threads = 0 }, "threads: 0 is outside 1-"},
		{"too many threads", func(c *knob.Config) { c.Threads = 10000 }, "threads: 10000 is outside 1-"},
		{"session", func(c *knob.Config) { c.Session = "mine" }, `options: session: "mine": want shared or own`},
		{"two", func(c *knob.Config) { c.Spin, c.Graph = "x", "y" }, `options: graph: "y": want off, basic, extended or all`},
	}
	for _, tc := range tests {
		c := config(1)
		tc.change(&c)
		err := b.checkSettings(c)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: checkSettings = %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestSpinsIfEveryThreadHasACore(t *testing.T) {
	b := &Backend{cores: 4}
	for _, tc := range []struct {
		workers, threads int
		spin             string
		want             bool
	}{
		{1, 4, "", true}, {2, 2, "", true}, {2, 3, "", false}, {8, 8, "on", true}, {1, 1, "off", false},
	} {
		c := knob.Config{Settings: knob.Settings{Workers: tc.workers, Threads: tc.threads}, Options: knob.Options{Spin: tc.spin}}
		if got := b.spins(c); got != tc.want {
			t.Errorf("spins(%+v) = %t, want %t", tc, got, tc.want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	good := layers(t, 1, 4, 4)
	change := func(f func(*engine.Model)) *engine.Model {
		m := *good
		f(&m)
		return &m
	}
	tests := []struct {
		name  string
		model *engine.Model
		batch int
		want  string
	}{
		{"text", change(func(m *engine.Model) { m.Bytes = []byte("no model at all") }), 1, "the model cannot be loaded: "},
		{"cut off", change(func(m *engine.Model) { m.Bytes = m.Bytes[:len(m.Bytes)/2] }), 1, "cannot be loaded: "},
		{"nothing", change(func(m *engine.Model) { m.Bytes = nil }), 1, "cannot be loaded: "},
		{"missing file", change(func(m *engine.Model) { m.Path = "/nowhere.onnx" }), 1, "cannot be loaded: "},
		{"no outputs", change(func(m *engine.Model) { m.Outputs = nil }), 1, "no inputs or no outputs"},
		{"unknown rank", change(func(m *engine.Model) { m.Inputs = []tensor.Spec{{Name: "x", Type: tensor.Float32}} }), 1, `input "x" has no known rank`},
		{"no type", change(func(m *engine.Model) { m.Outputs = []tensor.Spec{spec("y", tensor.Invalid, 1)} }), 1, `output "y" has no element type`},
		{"axis", change(func(m *engine.Model) { m.Axes = map[string]int{"x": 2} }), 1, `"x" has the shape [4] and no axis 2`},
		{"constant of another size", change(func(m *engine.Model) {
			m.Constants = []engine.Constant{{Name: "k", Tensor: floats([]int64{2}, 1)}}
		}), 1, `input "k" has 4 bytes of a constant or default value, want 8`},
		{"no batch axis", change(func(m *engine.Model) { m.BatchAxis, m.BatchWhy = false, "it says so" }), 2, "takes one: it says so"},
		{"huge", change(func(m *engine.Model) { m.Inputs = []tensor.Spec{spec("x", tensor.Float32, 1<<30)} }), 2, "more than 4 GB"},
		{"overflow", change(func(m *engine.Model) { m.Inputs = []tensor.Spec{spec("x", tensor.Float32, 1<<40, 1<<40)} }), 1, "too many elements"},
	}
	b := backend(t)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, err := b.Open(t.Context(), tc.model, config(tc.batch))
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Open = %v, want one line with %q", err, tc.want)
			}
		})
	}
}

func TestOpenByPathAndGraphLevels(t *testing.T) {
	m := layers(t, 2, 8, 8)
	items := samples(m, 3)
	want := singles(t, open(t, m, config(1)), items)
	byPath := *m
	byPath.Path, byPath.Bytes = filepath.Join(t.TempDir(), "m.onnx"), nil
	if err := os.WriteFile(byPath.Path, m.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, level := range []string{"off", "basic", "extended", "all"} {
		c := config(3)
		c.Graph, c.Session = level, "own"
		s := open(t, &byPath, c)
		if s.Shared() {
			t.Error("a session of a worker's own is shared")
		}
		for i, got := range run(t, s, items...) {
			if !same(got, want[i]) {
				t.Errorf("graph %s: item %d differs", level, i)
			}
		}
	}
}
