package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/archive"
)

var manifest = archive.Manifest{CreatedOn: "22/11/2026 10:00:00", Runtime: "python", Model: archive.Model{
	Name: "m", Version: "2.0", Handler: "handler.py", Serialized: "model.onnx", Config: "model-config.yaml",
}}

var contents = []archive.Content{
	archive.Text("model.onnx", "onnx"), archive.Text("model-config.yaml", "batchSize: 8\n"), archive.Text("data/w.bin", strings.Repeat("w", 100_000)),
}

// write writes the archive of manifest and contents.
func write(t *testing.T, name string) string {
	t.Helper()
	var b bytes.Buffer
	if err := archive.Create(&b, archive.FormatOf(name), manifest, contents); err != nil {
		t.Fatal(err)
	}
	return save(t, name, b.Bytes())
}

func save(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// files reads all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRoundTrip writes archives, reads them, and reads the folder that they unpack to.
func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"m.mar", "m.tar.gz"} {
		path := write(t, name)
		check := func(path string) *archive.Archive {
			a, err := archive.Open(path, archive.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(manifest, a.Manifest); diff != "" {
				t.Errorf("%s: manifest (-want +got):\n%s", path, diff)
			}
			if string(a.Config) != "batchSize: 8\n" {
				t.Errorf("%s: Config = %q", path, a.Config)
			}
			want := []archive.File{{Name: archive.ManifestFile, Size: size(t, manifest)}, {Name: "data/w.bin", Size: 100_000}, {Name: "model-config.yaml", Size: 13}, {Name: "model.onnx", Size: 4}}
			if diff := cmp.Diff(want, a.Files); diff != "" {
				t.Errorf("%s: files (-want +got):\n%s", path, diff)
			}
			if found, err := a.ONNX(); err != nil || found != "model.onnx" {
				t.Errorf("%s: ONNX = %q, %v", path, found, err)
			}
			return a
		}
		a := check(path)
		cache := &archive.Cache{Dir: filepath.Join(t.TempDir(), "cache")}
		dir, err := cache.Unpack(a)
		if err != nil {
			t.Fatal(err)
		}
		check(dir)
		if got := files(t, dir); got["data/w.bin"] != strings.Repeat("w", 100_000) || len(got) != 4 {
			t.Errorf("%s: unpacked %d files", path, len(got))
		}
		if again, err := cache.Unpack(a); err != nil || again != dir {
			t.Errorf("%s: Unpack again = %q, %v; want %q", path, again, err, dir)
		}
		if names, _ := filepath.Glob(filepath.Join(cache.Dir, ".*")); len(names) > 0 {
			t.Errorf("left behind: %v", names)
		}
	}
}

func size(t *testing.T, m archive.Manifest) int64 {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(text)) + 1
}

// zipOf makes a zip archive of names with any content. A name that ends in @ is a link.
func zipOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		h := &zip.FileHeader{Name: strings.TrimSuffix(name, "@"), Method: zip.Deflate}
		if strings.HasSuffix(name, "@") {
			h.SetMode(os.ModeSymlink | 0o777)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("/etc/passwd")); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tarOf makes a .tar.gz archive of headers.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRefused checks that hostile archives are refused when they are opened and when they are
// unpacked, and that nothing of them stays.
func TestRefused(t *testing.T) {
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf("f%d", i)
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"zip slip", zipOf(t, "../evil"), `unsafe name "../evil"`},
		{"zip slip inside", zipOf(t, "a/../../evil"), "unsafe name"},
		{"absolute", zipOf(t, "/etc/cron.d/evil"), "it is absolute"},
		{"backslash", zipOf(t, `..\evil`), `has a \`},
		{"drive", zipOf(t, "c:evil"), "a colon"},
		{"control character", zipOf(t, "a\nb"), "control characters"},
		{"dot", zipOf(t, "./a"), "empty parts"},
		{"link", zipOf(t, "a@"), "no regular file"},
		{"twice", zipOf(t, "a", "a"), "occurs twice"},
		{"twice in another case", zipOf(t, "a/B", "A/b"), "occurs twice"},
		{"file and folder", zipOf(t, "a", "a/b"), "is a file and a folder"},
		{"folder and file", zipOf(t, "a/b", "a"), "occurs twice"},
		{"many files", zipOf(t, many...), "more than 20 files"},
		{"many bytes", zipOf(t, many[:10]...), "more than 100 bytes unpacked"},
		{"tar slip", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "m/../../evil"}), "unsafe name"},
		{"tar absolute", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "/m/evil"}), "unsafe name"},
		{"tar link", tarOf(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "m/a", Linkname: "/etc"}), "no regular file"},
		{"tar hard link", tarOf(t, tar.Header{Typeflag: tar.TypeLink, Name: "m/a", Linkname: "/etc/passwd"}), "no regular file"},
		{"tar device", tarOf(t, tar.Header{Typeflag: tar.TypeChar, Name: "m/a"}), "no regular file"},
		{"tar twice", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "m/a"}, tar.Header{Typeflag: tar.TypeReg, Name: "n/a"}), "occurs twice"},
		{"tar of many bytes", tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "m/a", Size: 101}), "more than 100 bytes"},
		{"no archive", []byte("hello, world"), "neither a zip archive nor"},
		{"empty", nil, "neither a zip archive nor"},
		{"cut off", zipOf(t, "a")[:40], "zip"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			path := save(t, "m.mar", c.data)
			limits := archive.Limits{Files: 20, Bytes: 100}
			if c.name == "many files" {
				limits.Bytes = 1000
			}
			_, err := archive.Open(path, limits)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("Open = %v, want %q", err, c.want)
			}
		})
	}
}

// TestExtractLeavesNothing replaces the file of an opened archive by a hostile one.
func TestExtractLeavesNothing(t *testing.T) {
	path := write(t, "m.mar")
	a, err := archive.Open(path, archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, zipOf(t, "good", "../evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	if err := a.Extract(filepath.Join(parent, "in", "out")); err == nil {
		t.Error("Extract = nil, want an error")
	}
	if left := files(t, parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestManifest(t *testing.T) {
	tests := []struct{ name, manifest, want string }{
		{"not JSON", "{", "MAR-INF/MANIFEST.json: "},
		{"missing config", `{"model": {"configFile": "c.yaml"}}`, `names the configFile "c.yaml", which is not in the archive`},
		{"config outside", `{"model": {"configFile": "../c.yaml"}}`, "which is not in the archive"},
		{"two objects", "{} {}", "MAR-INF/MANIFEST.json: it is no JSON: there is text after the object"},
		{"a list", "[]", "MAR-INF/MANIFEST.json: it is of the kind array, expected an object"},
		{"a model that is a text", `{"model": "m"}`, "MAR-INF/MANIFEST.json: model is of the kind string, expected an object"},
		{"a name that is a list", `{"model": {"modelName": ["m"]}}`, "MAR-INF/MANIFEST.json: model.modelName is of the kind array, expected a text"},
		{"a config that is an object", `{"model": {"configFile": {}}}`, "model.configFile is of the kind object, expected a text"},
	}
	for _, c := range tests {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "MAR-INF"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, archive.ManifestFile), []byte(c.manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Open(dir, archive.Limits{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Open = %v, want %q", c.name, err, c.want)
		}
	}
}

// Numbers are as good as texts, with their digits as they are, and unknown members are not read.
func TestManifestNumbers(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "MAR-INF"), 0o700); err != nil {
		t.Fatal(err)
	}
	const manifest = "\ufeff" + `{"createdOn": 20261201, "archiverVersion": 0.12, "extra": [1], "model": {"modelName": 3, "modelVersion": 2.0, "serializedFile": null, "more": {"a": 1}}}`
	if err := os.WriteFile(filepath.Join(dir, archive.ManifestFile), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(dir, archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := archive.Manifest{CreatedOn: "20261201", ArchiverVersion: "0.12", Model: archive.Model{Name: "3", Version: "2.0"}}
	if a.Manifest != want {
		t.Errorf("%+v, want %+v", a.Manifest, want)
	}
}

// FuzzManifest: a manifest is read or refused in words, and one without numbers is read as it is.
func FuzzManifest(f *testing.F) {
	for _, s := range []string{`{"model": {"modelVersion": 2.0}}`, "[]", `{"model": 1}`, `{"runtime": true, "model": {"modelName": "a"}}`, `{"model": {"handler": [1]}}`, "null", `{} {}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "MAR-INF"), 0o700), os.WriteFile(filepath.Join(dir, archive.ManifestFile), text, 0o600)); err != nil {
			t.Fatal(err)
		}
		a, err := archive.Open(dir, archive.Limits{})
		if err != nil {
			if strings.Contains(err.Error(), "Go struct") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		var plain archive.Manifest
		if json.Unmarshal(text, &plain) == nil {
			if plain.Model.Version == "" {
				plain.Model.Version = a.Manifest.Model.Version
			}
			if plain != a.Manifest {
				t.Errorf("%q: %+v, want %+v", text, a.Manifest, plain)
			}
		}
	})
}

func TestONNX(t *testing.T) {
	tests := []struct{ names, serialized, want, err string }{
		{"a.onnx", "", "a.onnx", ""},
		{"a.onnx b.onnx", "b.onnx", "b.onnx", ""},
		{"a.onnx b.onnx", "", "", "2 .onnx files, and its manifest names none"},
		{"model.pt handler.py", "model.pt", "", "no .onnx file: it has handler.py, model.pt, and its handler h.py is Python"},
	}
	for _, c := range tests {
		dir := t.TempDir()
		text, err := json.Marshal(archive.Manifest{Model: archive.Model{Serialized: c.serialized, Handler: "h.py"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(strings.Fields(c.names), archive.ManifestFile) {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a, err := archive.Open(dir, archive.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if a.Manifest.Model.Version != "1.0" {
			t.Errorf("version = %q, want 1.0 where the manifest has none", a.Manifest.Model.Version)
		}
		got, err := a.ONNX()
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("ONNX of %q = %q, %v; want %q, %q", c.names, got, err, c.want, c.err)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	bad := manifest
	bad.Model.Name = "a b"
	if err := archive.Create(&bytes.Buffer{}, archive.Zip, bad, nil); err == nil || !strings.Contains(err.Error(), `model name "a b"`) {
		t.Errorf("a name with a blank: %v", err)
	}
	err := archive.Create(&bytes.Buffer{}, archive.Zip, manifest, []archive.Content{archive.Text("../w", "x")})
	if err == nil || !strings.Contains(err.Error(), "unsafe name") {
		t.Errorf("weights outside: %v", err)
	}
	grows := archive.Text("w", "xyz")
	grows.Size = 2
	if err := archive.Create(&bytes.Buffer{}, archive.Zip, manifest, []archive.Content{grows}); err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("a file that grows: %v", err)
	}
}

// FuzzOpen checks that any bytes are an archive or an error, and that unpacking stays in its
// folder and within the limits.
func FuzzOpen(f *testing.F) {
	f.Add(zipOf(f, "a.onnx", "b/c"))
	f.Add(zipOf(f, "../a"))
	f.Add(tarOf(f, tar.Header{Typeflag: tar.TypeReg, Name: "m/a", Size: 3}))
	var b bytes.Buffer
	if err := archive.Create(&b, archive.Zip, manifest, contents[:2]); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		path := filepath.Join(root, "m.mar")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		const most = 1 << 20
		a, err := archive.Open(path, archive.Limits{Files: 50, Bytes: most})
		if err != nil {
			return
		}
		a.ONNX() //nolint:errcheck // must not panic
		in := filepath.Join(root, "in")
		if err := os.Mkdir(in, 0o700); err != nil {
			t.Fatal(err)
		}
		failed := a.Extract(filepath.Join(in, "out")) != nil
		total, n := 0, 0
		for name, text := range files(t, root) {
			if name == "m.mar" {
				continue
			}
			if !strings.HasPrefix(name, "in/out/") {
				t.Fatalf("unpacked to %s", name)
			}
			total, n = total+len(text), n+1
		}
		if failed && n > 0 || n > 50 || total > most {
			t.Fatalf("failed %v, %d files, %d bytes", failed, n, total)
		}
	})
}
