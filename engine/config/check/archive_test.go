package check_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/archive"
	"sweetspot/engine/config/check"
	"sweetspot/engine/torchservetest"
)

// archiveOf makes the folder of an archive and returns its path.
func archiveOf(t *testing.T, m archive.Model, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "m")
	text, err := json.Marshal(archive.Manifest{Runtime: "python", Model: m})
	if err != nil {
		t.Fatal(err)
	}
	files[archive.ManifestFile] = string(text)
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

func TestRunArchive(t *testing.T) {
	model := func(handler, serialized string) archive.Model {
		return archive.Model{Name: "m", Version: "1.0", Handler: handler, Serialized: serialized}
	}
	config := model("h.py", "m.onnx")
	config.Config, config.Requirements = "c.yaml", "requirements.txt"
	tests := []struct {
		name  string
		model archive.Model
		files map[string]string
		want  []string // each is in the line of that place
	}{
		{"own handler", model("h.py:handle", "m.onnx"), map[string]string{"h.py": "", "m.onnx": ""}, nil},
		{"none", model("", "m.onnx"), map[string]string{"m.onnx": ""}, []string{"refuses: handler: not there"}},
		{"missing", model("h.py", "m.onnx"), map[string]string{"m.onnx": ""}, []string{"refuses: handler: the archive has no h.py"}},
		{"stock for ONNX", model("image_classifier", "m.onnx"), map[string]string{"m.onnx": ""}, []string{"refuses: handler: TorchServe's own handlers load an ONNX model and cannot run it"}},
		{"stock for weights", model("image_classifier", "m.pth"), map[string]string{"m.pth": ""}, []string{`refuses: serializedFile: "m.pth" without a modelFile`}},
		{"model missing", model("h.py", "m.pt"), map[string]string{"h.py": ""}, []string{"refuses: serializedFile: the archive has no m.pt"}},
		{"configuration", config, map[string]string{"h.py": "", "m.onnx": "", "c.yaml": "minWorkers: 1\nmaxWorkers: 1\nbatch_size: 8\nresponseTimeout: 1\nstartupTimeout: 1\n"}, []string{
			"note: requirementsFile: counts only if", "c.yaml:3: differs: batch_size: TorchServe does not read batch_size, only batchSize",
		}},
	}
	for _, c := range tests {
		a, err := archive.Open(archiveOf(t, c.model, c.files), archive.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		r := check.RunArchive(a)
		if len(r.Findings) != len(c.want) {
			t.Errorf("%s: %d findings, want %d:\n%s", c.name, len(r.Findings), len(c.want), r.Lines())
			continue
		}
		for i, want := range c.want {
			if line := check.Line(r.Findings[i]); !strings.Contains(line, want) || r.Findings[i].Fixable {
				t.Errorf("%s: %s, want %q", c.name, line, want)
			}
		}
	}
}

// TestRealTorchServeStockHandler shows that a handler of TorchServe's own cannot run ONNX.
func TestRealTorchServeStockHandler(t *testing.T) {
	torchservetest.Find(t)
	onnx, err := os.ReadFile("../../../testdata/bodies/scale.onnx")
	if err != nil {
		t.Fatal(err)
	}
	dir := archiveOf(t, archive.Model{Name: "m", Version: "1.0", Handler: "image_classifier", Serialized: "m.onnx"}, map[string]string{"m.onnx": string(onnx)})
	s, err := torchservetest.Start(t, torchservetest.Options{Store: filepath.Dir(dir), Config: "load_models=m\ndefault_workers_per_model=1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.Inference+"/predictions/m", "application/json", strings.NewReader("[[1, 2, 3, 4]]"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", resp.StatusCode)
	}
}
