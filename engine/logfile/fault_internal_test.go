package logfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fullDisk is a file that takes a number of bytes.
type fullDisk struct {
	*os.File
	free     int
	truncate error // result of Truncate
}

func (d *fullDisk) Truncate(size int64) error {
	if d.truncate != nil {
		return d.truncate
	}
	return d.File.Truncate(size)
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
	disk := &fullDisk{File: f.f.(*os.File), free: 10}
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

// TestPartOfALine: a part of a line that could not be removed at once is removed before the next line.
func TestPartOfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	disk := &fullDisk{File: f.f.(*os.File), free: 2, truncate: syscall.EIO}
	f.f = disk
	for range 2 {
		if _, err := f.Write([]byte("one\n")); !errors.Is(err, syscall.EIO) {
			t.Errorf("on a broken disk: %v", err)
		}
		disk.free = 100
	}
	disk.truncate = nil
	if _, err := f.Write([]byte("two\n")); err != nil {
		t.Error(err)
	}
	if got := read(t, path); got != "two\n" {
		t.Errorf("the file has %q", got)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// times are the times of lines.
var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3}`)

// TestAccessGoesOn: after a time without space on the disk the log goes on and says how many lines are missing. The log of the
// program has one line about the beginning and one about the end.
func TestAccessGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "access_log.log")
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		disk := &fullDisk{File: f.f.(*os.File), free: 20}
		f.f = disk
		var told bytes.Buffer
		a := NewAccess(f, slog.New(slog.NewTextHandler(&told, nil)))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		add := func(requests int) {
			for range requests {
				a.Add(httptest.NewRequest("GET", "/ping", nil), 200, time.Now(), time.Now())
			}
			time.Sleep(2*accessEvery + time.Millisecond)
			synctest.Wait()
		}
		add(3)
		add(2)
		disk.free = 1 << 20
		add(1)
		add(1)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		const line = "TIME - /192.0.2.1:1234 \"GET /ping HTTP/1.1\" 200 0\n"
		if got := times.ReplaceAllString(read(t, path), "TIME"); got != "TIME - 5 requests have no line: no space left on device\n"+line+line {
			t.Errorf("the file has\n%s", got)
		}
		if text := told.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "requests are not written") || !strings.Contains(text, "requests are written again") {
			t.Errorf("the log of the program has\n%s", text)
		}
	})
}

// TestServerLogGoesOn is the same for ts_log.log: on a full disk, and if the file cannot be created when it is replaced.
func TestServerLogGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	var told bytes.Buffer
	h, err := OpenServer(dir, slog.LevelInfo, slog.New(slog.NewTextHandler(&told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	ts := h.shared.ts
	disk := &fullDisk{File: ts.f.(*os.File)}
	ts.f = disk
	log.Info("one")
	log.Info("two")
	disk.free = 1 << 20
	log.Info("three")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	ts.most = 10
	log.Info("four")
	log.Info("five")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ts.most = rollAt
	log.Info("six")
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	got := times.ReplaceAllString(read(t, filepath.Join(dir, "ts_log.log")), "TIME")
	want := regexp.MustCompile(`^TIME \[WARN \] main sweetspot - 2 records have no line: .*no such file.*\nTIME \[INFO \] main sweetspot - six\n$`)
	if !want.MatchString(got) {
		t.Errorf("the file has\n%s", got)
	}
	if n := strings.Count(told.String(), "\n"); n != 4 {
		t.Errorf("the log of the program has %d lines, want 4:\n%s", n, told.String())
	}
}
