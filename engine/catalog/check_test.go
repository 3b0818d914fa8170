package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph/builtin"
)

// Check finds what is wrong with a path and a file without running the model.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	model, err := builtin.Models()[0].Build()
	if err != nil {
		t.Fatal(err)
	}
	good := write("one/model.onnx", model)
	write("none/notes.txt", nil)
	for arg, want := range map[string]string{
		good: "", filepath.Dir(good): "", "name=" + good: "", "builtin:mlp-wide": "", "sim:animated-drawings": "",
		filepath.Join(dir, "missing.onnx"):            "no such file or folder",
		filepath.Join(dir, "none"):                    "the folder has no .onnx file",
		write("page.onnx", []byte("<!DOCTYPE html>")): "page.onnx: ",
		write("cut.onnx", model[:len(model)/2]):       "cut.onnx: ",
		write("a.mar", nil):                           "neither a zip archive",
	} {
		switch err := catalog.Check(arg); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", arg, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", arg, err, want)
		}
	}
}
