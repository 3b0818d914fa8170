//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/onnxgraph/builtin"
)

// TestFirstHour runs the commands of docs/first-hour.md, one after the other, on a model in a
// file. The page has the beginnings of lines; a sweep, which gets a third of its time here, may find out that it cannot
// tell.
func TestFirstHour(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of search")
	}
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	dir := t.TempDir()
	writeModel(t, filepath.Join(dir, "model.onnx"))
	body := "[" + strings.TrimSuffix(strings.Repeat("0.5,", 2048), ",") + "]"
	if err := os.WriteFile(filepath.Join(dir, "body.json"), []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, e := range examples(t, "first-hour.md") {
		ran++
		args := strings.Fields(strings.ReplaceAll(e.command, "--budget 1m", "--budget 20s"))
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...) // installed by testscript.Main
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), ortlib.EnvVar+"="+lib.Path, "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_STATE_HOME="+dir)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		cannotTell := errors.As(err, &exit) && (exit.ExitCode() == exitNo || exit.ExitCode() == exitCannotTell)
		if err != nil && !(cannotTell && strings.Contains(e.command, "--out")) {
			t.Fatalf("docs/first-hour.md:%d: %s: %v\n%s", e.line, e.command, err, out)
		}
		for want := range strings.Lines(e.out) {
			if want = strings.TrimSuffix(strings.TrimSpace(want), " ..."); !strings.Contains(string(out), want) {
				t.Errorf("docs/first-hour.md:%d: %s: no %q in\n%s", e.line, e.command, want, out)
			}
		}
	}
	if ran < 5 {
		t.Errorf("%d commands were found on the page", ran)
	}
}

// writeModel writes the model of the page.
func writeModel(t *testing.T, path string) {
	t.Helper()
	for _, m := range builtin.Models() {
		if m.Name != "mlp-wide" {
			continue
		}
		file, err := m.Build()
		if err == nil {
			err = os.WriteFile(path, file, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("there is no mlp-wide")
}
