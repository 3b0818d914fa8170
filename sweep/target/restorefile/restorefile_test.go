package restorefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// settings is the content of the files of the tests.
type settings struct {
	Owner
	Workers int `json:"workers"`
}

func parse(text []byte) (s settings, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return s, err
	}
	if s.Workers < 1 {
		return s, errors.New("workers: want 1 or more")
	}
	return s, nil
}

// ended returns the PID of a process that has ended.
func ended(t *testing.T) int {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^$")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid
}

func TestAbandoned(t *testing.T) {
	gone := ended(t)
	for _, c := range []struct {
		name    string
		owner   int
		workers int
		found   bool
		err     string
	}{
		{"left by a process that has ended", gone, 3, true, ""},
		{"left by this process", os.Getpid(), 3, true, ""},
		{"without an owner", 0, 3, true, ""},
		{"in use", os.Getppid(), 3, false, fmt.Sprintf("process %d is changing this server; if it is no sweetspot, remove", os.Getppid())},
		{"wrong content", gone, 0, false, "restore.json: workers: want 1 or more"},
	} {
		path := filepath.Join(t.TempDir(), "restore.json")
		if err := Write(path, settings{Owner{c.owner}, c.workers}); err != nil {
			t.Fatal(err)
		}
		got, found, err := Abandoned(path, parse)
		if found != c.found || got.Workers != c.workers || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v, %v, want %v, %q", c.name, got, found, err, c.found, c.err)
		}
	}
	if _, found, err := Abandoned(filepath.Join(t.TempDir(), "none"), parse); found || err != nil {
		t.Errorf("no file: %v, %v", found, err)
	}
}

// TestWrite: an earlier file is replaced, and nothing but the file is left, also where it cannot be written.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "restore.json")
	for workers := 1; workers <= 2; workers++ {
		if err := Write(path, settings{Me(), workers}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Read(path, parse); err != nil || got != (settings{Me(), 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "folder", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "folder"), settings{Me(), 1}); err == nil || !strings.Contains(err.Error(), "write what to restore") {
		t.Errorf("over a folder: %v", err)
	}
	if err := Write(filepath.Join(dir, "none", "restore.json"), settings{Me(), 1}); err == nil {
		t.Error("in a folder that does not exist: no error")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
}
