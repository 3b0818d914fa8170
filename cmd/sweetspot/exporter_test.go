package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// exportable returns settings that can be exported.
func exportable(batch int) export.Source {
	s := knob.Default(knob.TorchServe)
	s.BatchSize = batch
	return export.Source{
		Tool: "sweetspot test", Date: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Settings: s,
		Model:   profiles.Model{Name: "mlp", Version: "1.0", Source: "mlp.onnx", BatchAxis: new(true)},
		Machine: profiles.Machine{OS: "linux", Arch: "amd64", CPU: "test", Cores: 2},
	}
}

// TestExporter: an export of the screen replaces only the file that it wrote itself and that nobody
// has edited since.
func TestExporter(t *testing.T) {
	dir := t.TempDir()
	e := newExporter(dir)
	first, second := filepath.Join(dir, "config.properties"), filepath.Join(dir, "config-2.properties")
	write := func(batch int, o session.ExportOptions) session.Exported {
		t.Helper()
		out, err := e.export(exportable(batch), o)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	content := func(path string) string {
		b, _ := os.ReadFile(path)
		return string(b)
	}
	if out := write(4, session.ExportOptions{Preview: true}); out.Written || out.Exists || out.Path != first || !strings.Contains(out.Text, `"batchSize": 4`) || len(out.Formats) < 5 {
		t.Errorf("preview %+v", out)
	}
	if content(first) != "" {
		t.Fatal("a preview wrote the file")
	}
	if out := write(4, session.ExportOptions{}); !out.Written || out.Path != first || out.Text != content(first) {
		t.Errorf("wrote %+v", out)
	}
	if out := write(8, session.ExportOptions{Preview: true}); out.Path != first || !strings.Contains(out.Diff, `+`) {
		t.Errorf("preview of a change: %s, diff %q", out.Path, out.Diff)
	}
	if write(8, session.ExportOptions{}); !strings.Contains(content(first), `"batchSize": 8`) {
		t.Error("its own file was not replaced")
	}
	edited := content(first) + "# edited by hand\n"
	if err := os.WriteFile(first, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := write(2, session.ExportOptions{}); out.Path != second || content(first) != edited {
		t.Errorf("after an edit: wrote %s; the edited file has changed: %v", out.Path, content(first) != edited)
	}

	if _, err := e.export(exportable(16), session.ExportOptions{Path: first}); err == nil || content(first) != edited {
		t.Errorf("a named file with other content was replaced without a question: %v", err)
	}
	if out := write(16, session.ExportOptions{Path: first, Overwrite: true}); out.Path != first || !strings.Contains(content(first), `"batchSize": 16`) {
		t.Errorf("not overwritten: %+v", out)
	}
	if out := write(16, session.ExportOptions{Format: "json"}); filepath.Base(out.Path) != "choice.json" || !strings.HasPrefix(out.Text, "{") {
		t.Errorf("json: %s\n%s", out.Path, out.Text)
	}
}

// TestExporterRefuses: what would be misleading is written only with force, and a preview shows it
// with the reason.
func TestExporterRefuses(t *testing.T) {
	e := newExporter(t.TempDir())
	s := exportable(4)
	s.Options.Rule = knob.Eager
	s.Trial = &trial.Trial{Settings: s.Settings, Options: s.Options}
	preview, err := e.export(s, session.ExportOptions{Preview: true})
	if err != nil || preview.Refused == "" || preview.Text == "" {
		t.Errorf("preview: refused %q, %d bytes, %v", preview.Refused, len(preview.Text), err)
	}
	if _, err := e.export(s, session.ExportOptions{}); err == nil {
		t.Error("written without force")
	}
	if out, err := e.export(s, session.ExportOptions{Force: true}); err != nil || !out.Written {
		t.Errorf("with force: %v", err)
	}
	if _, err := e.export(exportable(4), session.ExportOptions{Format: "nonsense", Preview: true}); err == nil {
		t.Error("an unknown format was accepted")
	}
}

// TestExporterKeepsEdits: a file that was edited between two exports is kept, and the next export has
// another name; an unedited one is overwritten.
func TestExporterKeepsEdits(t *testing.T) {
	dir := t.TempDir()
	e := newExporter(dir)
	write := func(batch int) (path string, notes []string) {
		t.Helper()
		out, err := e.export(exportable(batch), session.ExportOptions{})
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

// TestExportHasTheLiveFigures: an export of the settings in force says in the file what the live traffic has measured,
// and how long; without traffic it says that nothing was measured.
func TestExportHasTheLiveFigures(t *testing.T) {
	source := exportable(8)
	r := session.ExportRequest{
		Settings: source.Settings, SLA: trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond},
		Info: sweep.Info{Model: sweep.ModelInfo{Name: "mlp", Version: "1.0", Source: "mlp.onnx", BatchAxis: true}},
	}
	export := func() string {
		t.Helper()
		out, err := (&app{limits: func() monitor.Container { return monitor.Container{Cores: 2} }}).exportFunc(t.TempDir())(r)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out.Path)
		if err != nil || string(data) != out.Text {
			t.Fatalf("%s: %v", out.Path, err)
		}
		return string(data)
	}
	const never = "measured  nothing: these settings were not measured"
	if text := export(); !strings.Contains(text, never) {
		t.Errorf("without traffic:\n%s", text)
	}
	live := trial.Trial{At: source.Date, Role: trial.RoleLive, Settings: source.Settings, Options: source.Options, Load: load.Spec{Concurrency: 10}}
	live.Seconds, live.Counts = 27, trial.Counts{Sent: 6480, OK: 6480}
	live.Throughput.Value, live.Latency.P99.Value = trial.NumOf(240), trial.NumOf(31.5)
	live.Verdict = trial.Verdict{Result: trial.Fail, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(31.5)}
	r.Measured, r.Runs = &live, 1
	text := export()
	for _, want := range []string{"live traffic of 27 s", "240", "31.5", "FAIL"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, never) {
		t.Errorf("%q in\n%s", never, text)
	}
}
