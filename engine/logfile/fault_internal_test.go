package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// fullDisk is a file that takes a number of bytes.
type fullDisk struct {
	*os.File
	free int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) <= d.free {
		d.free -= len(p)
		return d.File.Write(p)
	}
	n, err := d.File.Write(p[:d.free])
	d.free = 0
	return n, errors.Join(err, syscall.ENOSPC)
}

// TestFaultsOfDisk: a full disk leaves no part of a line, and once there is space again lines are written.
func TestFaultsOfDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	disk := &fullDisk{f.f.(*os.File), 10}
	f.f = disk
	for _, line := range []string{"one\n", "a longer line\n"} {
		if _, err = f.Write([]byte(line)); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	disk.free = 100
	if _, err := f.Write([]byte("two\n")); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFolderGone: a file that cannot be created again when it is replaced is an error of that write, and not of all later ones.
func TestFolderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Open(filepath.Join(dir, "a.log"))
	if err != nil {
		t.Fatal(err)
	}
	f.most = 5
	if _, err := f.Write([]byte("one\n")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := f.Write([]byte("two\n")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without a folder: %v", err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("three\n")); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a.log")); err != nil || string(got) != "three\n" {
		t.Errorf("%q, %v", got, err)
	}
}
