//go:build unix

package python

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/backend/python/peertest"
)

func TestTry(t *testing.T) {
	if err := try(t.Context(), peerBackend(t)); err != nil {
		t.Error(err)
	}
	b := peerBackend(t)
	b.opt.Where.Env = append(peertest.Env(), peertest.Variable+"=sleeper", "PATH=")
	b.opt.command = func(Installation) []string { return []string{os.Args[0] + ".none"} }
	if err := try(t.Context(), b); err == nil || !strings.Contains(err.Error(), "start a worker") {
		t.Errorf("a worker that does not start: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v is left", left, err)
	}
}
