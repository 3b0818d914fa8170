package ortlib

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestInstall(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*testSources)
		notices bool
	}{
		{"npm", func(*testSources) {}, false},
		{"pip without npm", func(s *testSources) { s.removeClients("npm") }, true},
		{"pip after npm fails", func(s *testSources) { s.script("npm", "echo npm error E404 >&2; exit 1") }, true},
		{"pip after a wrong npm archive", func(s *testSources) { s.client("npm", "a.tgz", []byte("forged")) }, true},
		{"pip after npm leaves nothing", func(s *testSources) { s.script("npm", "true") }, true},
		{"release archive", func(s *testSources) { s.removeClients("npm", "pip3") }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestSources(t)
			tt.prepare(s)
			lib, err := s.install()
			if err != nil {
				t.Fatal(err)
			}
			s.checkCache(lib, tt.notices)
		})
	}
}

func TestInstallTwice(t *testing.T) {
	s := newTestSources(t)
	for range 2 {
		if _, err := s.install(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.callCount("npm"); n != 1 {
		t.Errorf("npm ran %d times, want 1", n)
	}
}

func TestConcurrentInstalls(t *testing.T) {
	s := newTestSources(t)
	var wg sync.WaitGroup
	libs, errs := make([]Library, 4), make([]error, 4)
	for i := range libs {
		wg.Go(func() { libs[i], errs[i] = s.install() })
	}
	wg.Wait()
	for i, lib := range libs {
		if errs[i] != nil || lib != libs[0] {
			t.Errorf("install %d = %v, %v, want %v", i, lib, errs[i], libs[0])
		}
	}
	s.checkCache(libs[0], false)
	if n := s.callCount("npm"); n != 1 {
		t.Errorf("npm ran %d times, want 1", n)
	}
}

func TestInstallRefused(t *testing.T) {
	s := newTestSources(t)
	for i := range s.release.sources {
		s.release.sources[i].sha256 = hexSum([]byte("another archive"))
	}
	lib, err := s.install()
	if err == nil {
		t.Fatalf("installed %v although no sum fits", lib)
	}
	for _, want := range []string{"ort-1.tgz refused", "ort-1-py3-any.whl refused", "ort.tgz refused", EnvVar} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
	s.checkFolders(0)
}

func TestInstallWithoutFile(t *testing.T) {
	s := newTestSources(t)
	s.release.sources = s.release.sources[:1]
	s.release.sources[0].library = "lib/renamed"
	if _, err := s.install(); err == nil || !strings.Contains(err.Error(), "does not contain lib/renamed") {
		t.Errorf("error = %v, want one that names the missing file", err)
	}
	s.checkFolders(0)
}

func TestInstallCancelled(t *testing.T) {
	s := newTestSources(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := install(ctx, s.options, s.release); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	s.checkFolders(0)
}

func TestInstallRepairs(t *testing.T) {
	damage := map[string]func(lib string) error{
		"changed":      func(lib string) error { return os.WriteFile(lib, []byte("bits rot"), 0o755) },
		"truncated":    func(lib string) error { return os.Truncate(lib, 3) },
		"library gone": os.Remove,
		"sum gone":     func(lib string) error { return os.Remove(filepath.Join(filepath.Dir(lib), sumsFile)) },
		"sum elsewhere": func(lib string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(lib), sumsFile), []byte("x"), 0o644)
		},
		"writer killed": func(lib string) error {
			dir := filepath.Dir(lib)
			return os.Rename(dir, dir+".new-123")
		},
	}
	for name, hurt := range damage {
		t.Run(name, func(t *testing.T) {
			s := newTestSources(t)
			lib, err := s.install()
			if err != nil {
				t.Fatal(err)
			}
			if err := hurt(lib.Path); err != nil {
				t.Fatal(err)
			}
			if found, err := Find(s.options); !errors.Is(err, ErrNotFound) {
				t.Errorf("Find = %v, %v, want ErrNotFound", found, err)
			}
			if lib, err = s.install(); err != nil {
				t.Fatal(err)
			}
			s.checkCache(lib, false)
		})
	}
}

func TestInstallWithoutCache(t *testing.T) {
	s := newTestSources(t)
	s.options.CacheDir = ""
	if _, err := s.install(); !errors.Is(err, errNoCache) {
		t.Errorf("error = %v, want errNoCache", err)
	}
}

func TestPinned(t *testing.T) {
	for platform := range pins() {
		goos, goarch, _ := strings.Cut(platform, "/")
		r, err := pinned(goos, goarch)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.library, Version) {
			t.Errorf("%s: file name %s does not contain the version", platform, r.library)
		}
		for _, s := range r.sources {
			if raw, err := hex.DecodeString(s.sha256); err != nil || len(raw) != sha256.Size {
				t.Errorf("%s: %s: pin %q is no SHA-256", platform, s.name, s.sha256)
			}
		}
	}
	if _, err := pinned("plan9", "amd64"); err == nil || !strings.Contains(err.Error(), EnvVar) {
		t.Errorf("pinned(plan9) error = %v, want one that says what to do", err)
	}
}
