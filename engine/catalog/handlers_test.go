package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/archive"
	"sweetspot/engine/catalog"
	"sweetspot/engine/handler/torchserve"
)

// packed writes an archive of the model photo with a handler and files.
func packed(t *testing.T, m archive.Model, texts map[string]string) string {
	t.Helper()
	model, err := os.ReadFile("../../testdata/bodies/photo.onnx")
	if err != nil {
		t.Fatal(err)
	}
	files := []archive.Content{archive.Text("photo.onnx", string(model))}
	for _, name := range []string{"index_to_name.json", "model-config.yaml"} {
		if text, ok := texts[name]; ok {
			files = append(files, archive.Text(name, text))
		}
	}
	path := filepath.Join(t.TempDir(), "p.mar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m.Name, m.Version, m.Serialized = "p", "1.0", "photo.onnx"
	if err := archive.Create(f, archive.Zip, archive.Manifest{Model: m}, files); err != nil {
		t.Fatal(err)
	}
	return path
}

// The manifest names the handler, and people override it. A handler in Python is not run beside an ONNX model.
func TestHandlersOfArchives(t *testing.T) {
	cache := &archive.Cache{Dir: t.TempDir()}
	for _, tt := range []struct {
		name     string
		manifest archive.Model
		texts    map[string]string
		choice   catalog.HandlerChoice
		describe string // "" is no handler
		warning  string
		err      string
	}{
		{name: "of the manifest", manifest: archive.Model{Handler: "image_classifier"}, describe: "5 most probable classes"},
		{name: "of people", manifest: archive.Model{Handler: "image_classifier"}, choice: catalog.HandlerChoice{Handler: "base_handler"}, describe: "numbers"},
		{name: "image options of the archive", manifest: archive.Model{Handler: "image_classifier", Config: "model-config.yaml"}, texts: map[string]string{"model-config.yaml": "handler:\n  image:\n    order: bgr\n"}, describe: "BGR"},
		{name: "in Python", manifest: archive.Model{Handler: "handler_of_mine.py"}, warning: "the handler handler_of_mine.py of the archive is not run"},
		{name: "that does not fit", manifest: archive.Model{Handler: "object_detector"}, err: "no output has boxes"},
		{name: "wrong labels", manifest: archive.Model{Handler: "image_classifier"}, texts: map[string]string{"index_to_name.json": "[]"}, err: "index_to_name.json: "},
		{name: "unknown envelope", manifest: archive.Model{Handler: "image_classifier", Envelope: "paper"}, err: `service_envelope: "paper" is not one of none, body, json`},
		{name: "labels without a handler", choice: catalog.HandlerChoice{Labels: "x"}, err: "--handler"},
	} {
		o := catalog.Options{Unpack: cache, Handlers: map[string]catalog.HandlerChoice{"p": tt.choice}}
		m, err := catalog.Open(t.Context(), packed(t, tt.manifest, tt.texts), o)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		h, ok := m.Handler.(*torchserve.Handler)
		if ok != (tt.describe != "") || ok && !strings.Contains(h.Steps().Describe(), tt.describe) {
			t.Errorf("%s: the handler is %#v, want %q", tt.name, m.Handler, tt.describe)
		}
		if all := strings.Join(m.Warnings, "; "); tt.warning == "" && strings.Contains(all, "handler") || !strings.Contains(all, tt.warning) {
			t.Errorf("%s: warnings %q, want %q", tt.name, all, tt.warning)
		}
	}
}
