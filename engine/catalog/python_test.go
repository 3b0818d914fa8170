package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sweetspot/engine/catalog"
	"sweetspot/engine/handler"
)

// pythonArchive makes the folder of an archive with a handler.
func pythonArchive(t *testing.T, handlerName, yaml string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "folder")
	files := map[string]string{
		"MAR-INF/MANIFEST.json": fmt.Sprintf(`{"model": {"modelName": "cats", "modelVersion": "2.1", "handler": %q, "configFile": "c.yaml", "requirementsFile": "requirements.txt"}}`, handlerName),
		"c.yaml":                yaml, "handler.py": "x = 1\n", "requirements.txt": "detectron2\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// An archive without an ONNX model is that of its handler.
func TestOpenPython(t *testing.T) {
	dir := pythonArchive(t, "handler.py:f", "batchSize: 4\n")
	m, err := catalog.Open(t.Context(), dir, catalog.Options{Bodies: []catalog.Body{{Name: "a", Type: "text/plain", Data: []byte("one")}}})
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "cats" || m.Version != "2.1" || m.Backend != "python" || m.Path != dir || !m.BatchAxis || m.Unsampled || len(m.SHA256) != 64 || m.Size == 0 {
		t.Errorf("model %+v", m)
	}
	if part, ok := m.Samples[0].Message.Part(handler.WholeBody); len(m.Samples) != 1 || !ok || string(part.Data) != "one" {
		t.Errorf("samples %+v", m.Samples)
	}
	if len(m.Places) != 1 || m.Places[0].Device != "cpu" || m.Places[0].Precision.String() != "fp32" {
		t.Errorf("places %v", m.Places)
	}
	if !slices.ContainsFunc(m.Warnings, func(w string) bool { return strings.Contains(w, "requirements.txt are not installed") }) {
		t.Errorf("warnings %q", m.Warnings)
	}
	if err := os.WriteFile(filepath.Join(dir, "handler.py"), []byte("x = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := catalog.Open(t.Context(), "mine="+dir, catalog.Options{})
	if err != nil || other.Name != "mine" || !other.Unsampled || other.SHA256 == m.SHA256 {
		t.Errorf("after a change of the handler: %+v, %v", other, err)
	}
	if catalog.NeedsONNX(dir) || !catalog.NeedsONNX("builtin:mlp") || catalog.NeedsONNX("sim:animated-drawings") || !catalog.NeedsONNX("nowhere.mar") {
		t.Error("what needs ONNX Runtime is wrong")
	}
}

// What a handler can do is what its archive says.
func TestPythonPlaces(t *testing.T) {
	for _, tt := range []struct {
		handler, yaml, places string
		batch                 bool
		err                   string
	}{
		{"h.py", "handler:\n  precision: fp16\n", "[{cpu fp32 0} {cpu fp16 0}]", true, ""},
		{"text_classifier", "a: 1\n", "[{cpu fp32 0}]", false, ""},
		{"h.py", "handler:\n  precision: int8\n", "", false, `c.yaml:2: handler: precision: "int8"; want fp32 or fp16`},
	} {
		m, err := catalog.Open(t.Context(), pythonArchive(t, tt.handler, tt.yaml), catalog.Options{})
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.yaml, err, tt.err)
			}
			continue
		}
		if err != nil || fmt.Sprint(m.Places) != tt.places || m.BatchAxis != tt.batch {
			t.Errorf("%s %q: places %v, batch %v, %v", tt.handler, tt.yaml, m.Places, m.BatchAxis, err)
		}
	}
}
