//go:build unix

package python

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program writes a program and returns its path.
func program(t *testing.T, path, script string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return path
}

// The first interpreter that has all is used, and the error says what the others lack.
func TestFind(t *testing.T) {
	const good = `echo '{"python": "3.12.1", "home": "/x/ts", "torch": "2.1", "torchserve": "0.12.0", "missing": [], "gpus": 1}'`
	const bare = `echo '{"python": "3.9.9", "missing": ["torch", "torchserve"]}'`
	dir := t.TempDir()
	program(t, dir+"/path/python3", bare)
	program(t, dir+"/path/python", "echo no such option >&2; exit 2")
	env := []string{"PATH=" + dir + "/none:" + dir + "/path:/bin", "SWEETSPOT_TORCHSERVE=" + dir + "/venv"}
	w := Where{Env: env, Cache: dir + "/cache"}
	_, err := Find(t.Context(), w)
	if !errors.Is(err, ErrNoPython) || !strings.Contains(err.Error(), "python3 (Python 3.9.9) has no torch, torchserve; ") ||
		!strings.Contains(err.Error(), "python does not run: no such option") || !strings.Contains(err.Error(), "sweetspot doctor") ||
		!strings.Contains(err.Error(), "SWEETSPOT_TORCHSERVE: there is no "+dir+"/venv/bin/python; ") || !strings.Contains(err.Error(), "make torchserve") {
		t.Errorf("no interpreter: %v", err)
	}
	cached := program(t, dir+"/cache/sweetspot/torchserve-0.12.0/bin/python", good)
	if in, err := Find(t.Context(), w); err != nil || in.Python != cached || in.String() != "Python 3.12.1, torch 2.1, TorchServe 0.12.0" || in.GPUs != 1 {
		t.Errorf("in the cache: %+v, %v", in, err)
	}
	venv := program(t, dir+"/venv/bin/python", good)
	if in, err := Find(t.Context(), w); err != nil || in.Python != venv || in.Home != "/x/ts" {
		t.Errorf("in SWEETSPOT_TORCHSERVE: %+v, %v", in, err)
	}
	w.Python, w.By = dir+"/path/python3", "--python"
	if _, err := Find(t.Context(), w); err == nil || !strings.Contains(err.Error(), "--python: "+dir+"/path/python3 (Python 3.9.9) has no torch") {
		t.Errorf("a named one: %v", err)
	}
	if _, err := Find(t.Context(), Where{}); !errors.Is(err, ErrNoPython) || !strings.Contains(err.Error(), "there is no python3 in PATH") {
		t.Errorf("nowhere: %v", err)
	}
}

func TestEnviron(t *testing.T) {
	got := environ([]string{"A=b", "OMP_NUM_THREADS=9", "PYTHONPATH=/own"}, "/m", "sub/h.py:f", 3)
	for _, want := range []string{"A=b", "OMP_NUM_THREADS=3", "PYTHONPATH=/own:/m/sub:/m", "TS_DECODE_INPUT_REQUEST=true", "PYTHONUNBUFFERED=1"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not in %v", want, got)
		}
	}
	if slices.Contains(got, "OMP_NUM_THREADS=9") {
		t.Errorf("two numbers of threads: %v", got)
	}
	if got := environ(nil, "/m", "../h.py:f", 1); !slices.Contains(got, "PYTHONPATH=/m") {
		t.Errorf("a handler outside: %v", got)
	}
}
