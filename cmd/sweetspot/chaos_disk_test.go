//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestChaosDisk: on a disk that is full, or that is mounted read-only, sweeps, exports, archives and reports end with an
// error that says so. No file is half-written, and other files stay as they were.
func TestChaosDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs sweeps")
	}
	f := newFaulty(t, 0)
	f.sweep()
	f.wait(nil, exitYes)
	good := f.profile
	t.Run("limit", func(t *testing.T) { // of the size of each file, as by ulimit -f
		full := newFaulty(t, 1)
		inner := full.command("sim:ten.csv", "--sweep=plan.yaml", "--out", "results")
		full.cmd = full.command()
		full.cmd.Path, full.cmd.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -f 12; exec "$0" "$@"`, inner.Path}, inner.Args[1:]...)
		full.cmd.Stdout, full.cmd.Stderr = &full.stdout, &full.stderr
		full.start()
		full.wait(nil, exitError)
		if !strings.Contains(full.stderr.String(), "file too large") {
			t.Errorf("stderr:\n%s", full.stderr.String())
		}
		full.resume(full.check())
	})
	t.Run("full", func(t *testing.T) { f.onDisk(t, good, "size=16k", "no space left on device") })
	t.Run("read-only", func(t *testing.T) { f.onDisk(t, good, "ro", "read-only file system") })
}

// onDisk mounts a disk in memory and writes to it.
func (f *faulty) onDisk(t *testing.T, good, options, want string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, strings.TrimPrefix(options, "ro")); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH) //nolint:errcheck // of the test
	kept := filepath.Join(dir, "config.properties")
	if err := os.WriteFile(kept, []byte("kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if options == "ro" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Skipf("it cannot be mounted read-only: %v", err)
		}
	} else if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	for _, args := range [][]string{
		{"sim:ten.csv", "--sweep=plan.yaml", "--out", filepath.Join(dir, "results")},
		{"export", good, "--to", kept, "--force"},
		{"export", good, "--format", "json", "--to", filepath.Join(dir, "choice.json")},
		{"report", good, "--format", "html", "--to", filepath.Join(dir, "report.html")},
	} {
		out, err := f.command(args...).CombinedOutput()
		if code := exitCode(err); code != exitError || !strings.Contains(string(out), want) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s", args, code, exitError, want, out)
		}
	}
	if data, err := os.ReadFile(kept); err != nil || string(data) != "kept\n" {
		t.Errorf("the file that was there has %q, %v", data, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "config.properties" && e.Name() != "ballast" && e.Name() != "results" {
			t.Errorf("%s is left", e.Name())
		}
	}
}
