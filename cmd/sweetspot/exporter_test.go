package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
)

// TestExporterKeepsEdits: a file that was edited between two exports is kept, and the next export has
// another name; an unedited one is overwritten.
func TestExporterKeepsEdits(t *testing.T) {
	dir := t.TempDir()
	e := &exporter{dir: dir}
	write := func(batch int) (path string, notes []string) {
		t.Helper()
		s := knob.Default(knob.TorchServe)
		s.BatchSize = batch
		batchAxis := true
		out, err := e.write(export.Source{
			Tool: "sweetspot test", Date: time.Unix(0, 0), Model: profiles.Model{Name: "m", Version: "1.0", Source: "m.onnx", BatchAxis: &batchAxis}, Settings: s,
		})
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Base(out.Path), out.Notes
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	const first, second = "config.properties", "config-2.properties"
	if path, _ := write(2); path != first {
		t.Fatalf("the first export is %s", path)
	}
	if path, _ := write(4); path != first || !strings.Contains(read(first), `"batchSize": 4`) {
		t.Errorf("the second export is %s, and %s has\n%s", path, first, read(first))
	}
	edited := read(first) + "# mine\n"
	if err := os.WriteFile(filepath.Join(dir, first), []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	path, notes := write(8)
	if path != second || read(first) != edited || !strings.Contains(read(second), `"batchSize": 8`) {
		t.Errorf("the export after an edit is %s; %s has\n%s", path, first, read(first))
	}
	if len(notes) == 0 || !strings.Contains(notes[0], "was edited after its export and is kept") {
		t.Errorf("notes %q", notes)
	}
	if path, _ := write(16); path != second {
		t.Errorf("the next export is %s, want %s again", path, second)
	}
	if err := os.Remove(filepath.Join(dir, second)); err != nil {
		t.Fatal(err)
	}
	if path, _ := write(1); path != second {
		t.Errorf("after the file was deleted the export is %s, want %s", path, second)
	}
}
