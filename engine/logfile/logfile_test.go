package logfile

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	r := &File{path: path, most: 10, keep: 2}
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one\n", "two\n", "three\n", "four\n", "more than fits\n", "six\n", ""} {
		if _, err := r.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "six\n", ".1": "more than fits\n", ".2": "four\n"} {
		if b, err := os.ReadFile(path + name); err != nil || string(b) != want {
			t.Errorf("%q: %q, %v, want %q", name, b, err, want)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("a third old file is kept")
	}
	again, err := Open(path)
	if err != nil || again.size != 4 {
		t.Errorf("size %d, %v", again.size, err)
	}
	_ = again.Close()
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func newAccess(t *testing.T) (*Access, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access_log.log")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return NewAccess(f, slog.New(slog.DiscardHandler)), path
}

func TestAccess(t *testing.T) {
	a, path := newAccess(t)
	end := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for uri, method := range map[string]string{"/predictions/m?x=%22": "PUT", "/a": "GET"} {
		r := httptest.NewRequest(method, uri, nil)
		r.RemoteAddr = "127.0.0.1:5151"
		if uri == "/a" {
			r.RequestURI = "/a\n\" 200 0"
		}
		a.Add(r, 200, end.Add(-12*time.Millisecond), end)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)
	for _, want := range []string{
		`2026-01-02T03:04:05,678 - /127.0.0.1:5151 "PUT /predictions/m?x=%22 HTTP/1.1" 200 12` + "\n",
		`2026-01-02T03:04:05,678 - /127.0.0.1:5151 "GET /a%0A%22%20200%200 HTTP/1.1" 200 12` + "\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Count(got, "\n") != 2 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}

func TestAccessOfManyRequests(t *testing.T) {
	a, path := newAccess(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := httptest.NewRequest("GET", "/ping", nil)
			for range 100 {
				now := time.Now()
				a.Add(r, 200, now, now)
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\S+ - /192\.0\.2\.1:1234 "GET /ping HTTP/1\.1" 200 0$`)
	if n := len(line.FindAllString(read(t, path), -1)); n != 800 {
		t.Errorf("%d whole lines, want 800", n)
	}
}

// TestAccessIsBounded checks that lines that cannot be written do not fill the memory, and that
// the file says how many are missing.
func TestAccessIsBounded(t *testing.T) {
	a, path := newAccess(t)
	r := httptest.NewRequest("GET", "/"+strings.Repeat("x", 1<<20), nil)
	now := time.Now()
	for range 40 {
		a.Add(r, 200, now, now)
	}
	if n := len(a.lines); n > accessMost+2<<20 {
		t.Errorf("%d bytes wait", n)
	}
	if _, err := a.write(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	text := read(t, path)
	if n := strings.Count(text, `" 200 0`); n < 16 || !strings.Contains(text, " requests have no line: the disk was too slow\n") {
		t.Errorf("%d lines and no count of the others", n)
	}
}

func TestServerLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	h, err := OpenServer(dir, slog.LevelInfo, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	log.Debug("not this one")
	log.Info("started", "at", "127.0.0.1:8080")
	log.Warn("two\nlines", "model", "m")
	log.With("model", "n").WithGroup("g").Error("failed", "err", "x")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	log.Info("after the end")
	at := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3} `)
	want := "[INFO ] main sweetspot - started at=127.0.0.1:8080\n[WARN ] main sweetspot - two lines model=m\n[ERROR] main sweetspot - failed model=n g.err=x\n"
	if got := at.ReplaceAllString(read(t, filepath.Join(dir, "ts_log.log")), ""); got != want {
		t.Errorf("ts_log.log:\n%s", got)
	}
	want = "[WARN ] main MODEL_LOG - two lines model=m\n[ERROR] main MODEL_LOG - failed model=n g.err=x\n"
	if got := at.ReplaceAllString(read(t, filepath.Join(dir, "model_log.log")), ""); got != want {
		t.Errorf("model_log.log:\n%s", got)
	}
}
