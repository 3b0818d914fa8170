package ortlib

import (
	"bytes"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// packFake packs a fake library that the user has named, and returns the folder.
func packFake(t *testing.T) (Options, string) {
	t.Helper()
	beside := t.TempDir()
	for name, text := range map[string]string{fakeName: fakeLibrary, noticesFile: fakeNotices} {
		if err := os.WriteFile(filepath.Join(beside, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Named: filepath.Join(beside, fakeName), CacheDir: t.TempDir()}
	dir := filepath.Join(t.TempDir(), "blob")
	if err := Pack(t.Context(), o, dir); err != nil {
		t.Fatal(err)
	}
	return o, dir
}

func TestPackUnpack(t *testing.T) {
	o, dir := packFake(t)
	lib, ok, err := unpack(os.DirFS(dir), o.CacheDir)
	if !ok || err != nil {
		t.Fatalf("unpack = %v, %t, %v", lib, ok, err)
	}
	if got := readFile(t, lib.Path); got != fakeLibrary || lib.Version != Version {
		t.Errorf("unpacked %q, version %q, want %q, %s", got, lib.Version, fakeLibrary, Version)
	}
	if want := hexSum([]byte(fakeLibrary))[:12]; !strings.Contains(lib.Path, want) {
		t.Errorf("unpacked into %s, want a folder named after the sum %s", lib.Path, want)
	}
	for _, name := range []string{licenceFile, noticesFile} {
		if readFile(t, filepath.Join(filepath.Dir(lib.Path), name)) == "" {
			t.Errorf("%s is empty", name)
		}
	}
	if err := os.Truncate(lib.Path, 1); err != nil {
		t.Fatal(err)
	}
	if again, _, err := unpack(os.DirFS(dir), o.CacheDir); err != nil || again != lib {
		t.Errorf("unpack over a damaged one = %v, %v, want %v", again, err, lib)
	}
	if got := readFile(t, lib.Path); got != fakeLibrary {
		t.Errorf("after repair the library holds %q", got)
	}
}

func TestPackTwice(t *testing.T) {
	o, dir := packFake(t)
	var log bytes.Buffer
	o.Log = &log
	if err := Pack(t.Context(), o, dir); err != nil || log.Len() > 0 {
		t.Errorf("second Pack: error %v, log %q, want nothing done", err, log.String())
	}
	if err := os.WriteFile(o.Named, []byte("another build"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Pack(t.Context(), o, dir); err != nil || !strings.Contains(log.String(), "packing") {
		t.Errorf("Pack of another library: error %v, log %q", err, log.String())
	}
}

func TestPackWithoutNotices(t *testing.T) {
	o, dir := packFake(t)
	if err := os.Remove(filepath.Join(filepath.Dir(o.Named), noticesFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o.Log = &log
	if err := Pack(t.Context(), o, dir); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), noticesFile+" is missing") {
		t.Errorf("log %q does not say that the notices are missing", log.String())
	}
	if _, ok, err := unpack(os.DirFS(dir), o.CacheDir); !ok || err != nil {
		t.Errorf("unpack without notices: %t, %v", ok, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	_, dir := packFake(t)
	isPacked := func(change func(fstest.MapFS)) fs.FS {
		m := fstest.MapFS{}
		for _, name := range []string{packedFile, sumsFile, licenceFile} {
			m[name] = &fstest.MapFile{Data: []byte(readFile(t, filepath.Join(dir, name)))}
		}
		change(m)
		return m
	}
	other := formatSums(hexSum([]byte("other")), fakeName)
	tests := []struct {
		name string
		fsys fs.FS
		want string
	}{
		{"another library", isPacked(func(m fstest.MapFS) { m[sumsFile].Data = []byte(other) }), "sha256"},
		{"cut short", isPacked(func(m fstest.MapFS) { m[packedFile].Data = m[packedFile].Data[:20] }), "EOF"},
		{"not compressed", isPacked(func(m fstest.MapFS) { m[packedFile].Data = []byte("plain library") }), "gzip"},
		{"no library", isPacked(func(m fstest.MapFS) { delete(m, packedFile) }), packedFile},
		{"no sum", isPacked(func(m fstest.MapFS) { m[sumsFile].Data = nil }), "want one line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cache := t.TempDir()
			_, ok, err := unpack(tt.fsys, cache)
			if !ok || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("unpack: %t, %v, want an error with %q", ok, err, tt.want)
			}
			if left, _ := filepath.Glob(filepath.Join(cache, "sweetspot", "*", "*")); len(left) > 0 {
				t.Errorf("left %q behind", left)
			}
		})
	}
	if _, ok, err := unpack(isPacked(func(fstest.MapFS) {}), ""); !ok || err == nil {
		t.Errorf("unpack without a cache: %t, %v, want an error", ok, err)
	}
	if _, ok, err := unpack(embed.FS{}, t.TempDir()); ok || err != nil {
		t.Errorf("unpack of nothing: %t, %v, want neither", ok, err)
	}
}

func TestCompareVersions(t *testing.T) {
	check := func(a, b string, want int) {
		t.Helper()
		if got := compareVersions(a, b); got != want {
			t.Errorf("compareVersions(%q, %q) = %d, want %d", a, b, got, want)
		}
	}
	check("1.24.0", "1.24", 0)
	check("1.9.9", "1.24", -1)
	check("1.100.0", "1.24", 1)
	check("2.0.0", "1.24", 1)
	check("", "1.24", -1)
	check("1.x", "1.0", 0)
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("1.24.0", "1.9")
	f.Add("", "..")
	f.Fuzz(func(t *testing.T, a, b string) {
		if x, y := compareVersions(a, b), compareVersions(b, a); x != -y {
			t.Errorf("compareVersions(%q, %q) = %d, the other way %d", a, b, x, y)
		}
	})
}

func FuzzParseSums(f *testing.F) {
	f.Add(formatSums(hexSum(nil), fakeName))
	f.Add("abc  x\n")
	f.Add(hexSum(nil) + "  ../x\n")
	f.Fuzz(func(t *testing.T, text string) {
		sum, name, err := parseSums(text)
		if err != nil {
			return
		}
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			t.Errorf("parseSums(%q) gave the path %q", text, name)
		}
		s, n, err := parseSums(formatSums(sum, name))
		if err != nil || s != sum || n != name {
			t.Errorf("parseSums(%q) does not round-trip: %q %q %v", text, s, n, err)
		}
	})
}
