package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/backend/onnx/ortlib"
)

func TestRun(t *testing.T) {
	lib := filepath.Join(t.TempDir(), "mine.so")
	if err := os.WriteFile(lib, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, named    string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"prints the path", lib, nil, 0, lib + "\n", ""},
		{"packs", lib, []string{"-embed", filepath.Join(t.TempDir(), "blob")}, 0, lib + "\n", ""},
		{"help", lib, []string{"-h"}, 0, "", "-embed DIR"},
		{"argument", lib, []string{"blob"}, 1, "", `"blob": ort takes no arguments`},
		{"platform without a folder", lib, []string{"-platform", "linux/arm64"}, 1, "", "-platform needs -embed"},
		{"unknown platform", "", []string{"-platform", "plan9/amd64", "-embed", filepath.Join(t.TempDir(), "blob")}, 1, "", "for plan9/amd64, only for"},
		{"unknown flag", lib, []string{"-x"}, 1, "", "-x"},
		{"bad library", lib + ".gone", nil, 1, "", "ort: " + ortlib.EnvVar},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), tt.args, ortlib.Options{Named: tt.named}, &stdout, &stderr)
			if code != tt.code || stdout.String() != tt.stdout {
				t.Errorf("run(%q) = %d, stdout %q, want %d, %q", tt.args, code, stdout.String(), tt.code, tt.stdout)
			}
			if !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("run(%q): stderr %q does not mention %q", tt.args, stderr.String(), tt.stderr)
			}
		})
	}
}
