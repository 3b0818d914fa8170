package ortlib

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	fakeName    = "libonnxruntime.so.1.27.0"
	fakeLibrary = "represents 38 MB of machine code"
	fakeNotices = "notices of third parties"
)

// testSources is a release with fake sources: npm and pip are scripts in bin, and the test
// serves the release archive.
type testSources struct {
	t       *testing.T
	bin     string
	release release
	options Options
}

func newTestSources(t *testing.T) *testSources {
	t.Helper()
	s := &testSources{t: t, bin: t.TempDir()}
	s.options = Options{CacheDir: t.TempDir(), Path: s.bin, Log: t.Output()}
	tgz := tarball(t, map[string]string{"./lib/" + fakeName: fakeLibrary, "other": "x", "notices": fakeNotices})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ort.tgz" {
			http.NotFound(w, r)
			return
		}
		w.Write(tgz)
	}))
	t.Cleanup(srv.Close)
	s.release = release{library: fakeName, sources: []source{
		{name: "npm", sha256: hexSum(tgz), library: "lib/" + fakeName, fetch: npmPack("ort@1")},
		{name: "pip", sha256: hexSum(wheel(t)), library: "capi/" + fakeName, notices: "notices", fetch: pipDownload("ort==1", "any")},
		{name: "release archive", sha256: hexSum(tgz), library: "lib/" + fakeName, notices: "notices", fetch: download(srv.URL + "/ort.tgz")},
	}}
	s.client("npm", "ort-1.tgz", tgz)
	s.client("pip3", "ort-1-py3-any.whl", wheel(t))
	return s
}

// client makes a package client that records each call and writes one archive.
func (s *testSources) client(name, archive string, content []byte) {
	s.t.Helper()
	stock := filepath.Join(s.t.TempDir(), archive)
	if err := os.WriteFile(stock, content, 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.script(name, fmt.Sprintf("cat %q > %q", stock, archive))
}

func (s *testSources) script(name, body string) {
	s.t.Helper()
	text := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %q\n%s\n", s.calls(name), body)
	if err := os.WriteFile(filepath.Join(s.bin, name), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testSources) calls(name string) string { return filepath.Join(s.bin, name+".calls") }

func (s *testSources) callCount(name string) int {
	text, err := os.ReadFile(s.calls(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

func (s *testSources) removeClients(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(s.bin, name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *testSources) install() (Library, error) {
	return install(s.t.Context(), s.options, s.release)
}

// checkCache checks that the cache has exactly one valid library and no temporary files.
func (s *testSources) checkCache(lib Library, notices bool) {
	s.t.Helper()
	if lib.Version != Version || filepath.Base(lib.Path) != fakeName {
		s.t.Errorf("library = %+v, want %s, version %s", lib, fakeName, Version)
	}
	if got := readFile(s.t, lib.Path); got != fakeLibrary {
		s.t.Errorf("library holds %q, want %q", got, fakeLibrary)
	}
	if got := readFile(s.t, filepath.Join(filepath.Dir(lib.Path), licenceFile)); !strings.Contains(got, "Microsoft") {
		s.t.Errorf("licence = %q", got)
	}
	_, err := os.Stat(filepath.Join(filepath.Dir(lib.Path), noticesFile))
	if (err == nil) != notices {
		s.t.Errorf("notices: %v, want there: %t", err, notices)
	}
	if found, err := Find(s.options); err != nil || found != lib {
		s.t.Errorf("Find = %v, %v, want %v", found, err, lib)
	}
	s.checkFolders(1)
}

func (s *testSources) checkFolders(want int) {
	s.t.Helper()
	all, err := os.ReadDir(filepath.Join(s.options.CacheDir, "sweetspot"))
	if err != nil {
		s.t.Fatal(err)
	}
	var folders []string
	for _, e := range all {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	if len(folders) != want {
		s.t.Errorf("cache holds folders %q, want %d", folders, want)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// tarball packs files, and a link with the library's name that must be ignored.
func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	link := &tar.Header{Name: "lib/" + fakeName, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}
	if err := tw.WriteHeader(link); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func wheel(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, f := range [][2]string{{"capi/" + fakeName, fakeLibrary}, {"notices", fakeNotices}} {
		w, err := zw.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
