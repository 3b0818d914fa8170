//go:build unix

package catalog_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sweetspot/engine/catalog"
)

// TestWeightsInAPipe: reading a pipe that nobody writes to would never end.
func TestWeightsInAPipe(t *testing.T) {
	path := externalModel(t, t.TempDir(), "w.bin", 1, 2, 3, 4)
	weights := filepath.Join(filepath.Dir(path), "w.bin")
	if err := errors.Join(os.Remove(weights), syscall.Mkfifo(weights, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := catalog.Open(t.Context(), path, catalog.Options{})
	fails(t, err, "its external weights: "+weights+" is no regular file")
	pipe := filepath.Join(t.TempDir(), "m.onnx")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = catalog.Open(t.Context(), pipe, catalog.Options{})
	fails(t, err, pipe+" is not an .onnx file")
}
