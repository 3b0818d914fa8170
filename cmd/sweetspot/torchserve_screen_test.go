//go:build linux

package main

import (
	"path/filepath"
	"testing"
)

// TestTorchServeOnScreen: --target URL opens the workbench on a running server. A change is applied under live
// load without a failed request, and what was in force is restored at the end.
func TestTorchServeOnScreen(t *testing.T) {
	folder, err := filepath.Abs("../../testdata/bodies")
	if err != nil {
		t.Fatal(err)
	}
	inference, management := startServer(t, filepath.Join(folder, "scale.onnx"), "--disable-token-auth", "--rule", "torchserve", "--batch-delay", "1")
	before := described(t, management)
	s := openScreen(t, 130, 40, "--target", management, "--inference", inference, "--input", filepath.Join(folder, "four.json"), "--concurrency", "2")
	s.waitFor("serving scale")
	s.waitFor("over ") // answers have arrived
	s.press("\x1b[C", "\r")
	s.waitFor("workers 1→2 (")
	s.waitFor("failed              0")
	if got := described(t, management); got == before {
		t.Errorf("in force is still %s\n%s", got, s.text())
	}
	s.press("q")
	if code := s.waitForEnd(); code != exitYes || described(t, management) != before {
		t.Errorf("exit %d, in force %s, before %s", code, described(t, management), before)
	}
}
