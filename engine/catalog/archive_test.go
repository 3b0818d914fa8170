package catalog_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/archive"
	"sweetspot/engine/catalog"
)

// pack writes an archive of a model and returns its path.
func pack(t *testing.T, arg, name string) string {
	t.Helper()
	m, err := catalog.Open(t.Context(), arg, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.Version = "2.1"
	manifest, files, err := catalog.Pack(m, []byte("batchSize: 8\n"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := archive.Create(&b, archive.FormatOf(name), manifest, files); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An archive has the name, the version, the inputs and the outputs of the model in it, as a
// zip file, a .tar.gz file and a folder.
func TestOpenArchive(t *testing.T) {
	want, err := catalog.Open(t.Context(), "builtin:mlp", catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for _, name := range []string{"file.mar", "file.tar.gz"} {
		path := pack(t, "clf=builtin:mlp", name)
		a, err := archive.Open(path, archive.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(t.TempDir(), "folder")
		if err := a.Extract(folder); err != nil {
			t.Fatal(err)
		}
		for _, arg := range []string{path, folder} {
			m, err := catalog.Open(t.Context(), arg, catalog.Options{Unpack: &archive.Cache{Dir: cache}})
			if err != nil {
				t.Fatal(err)
			}
			if m.Name != "clf" || m.Version != "2.1" || m.Source != arg || m.SHA256 != want.SHA256 || len(m.Warnings) != len(want.Warnings) {
				t.Errorf("%s: %s %s from %s, sum %s, warnings %q; want clf 2.1, sum %s", arg, m.Name, m.Version, m.Source, m.SHA256, m.Warnings, want.SHA256)
			}
			if diff := cmp.Diff(want.Inputs, m.Inputs); diff != "" {
				t.Errorf("%s: inputs (-want +got):\n%s", arg, diff)
			}
		}
	}
	renamed, err := catalog.Open(t.Context(), "mine="+pack(t, "clf=builtin:mlp", "x.mar"), catalog.Options{Unpack: &archive.Cache{Dir: cache}})
	if err != nil || renamed.Name != "mine" {
		t.Errorf("mine=x.mar: %v, %v; want the name mine", renamed, err)
	}
}

// The handler of somebody else is not run, and that is said.
func TestOpenArchiveOfOthers(t *testing.T) {
	m, err := catalog.Open(t.Context(), "builtin:mlp", catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = archive.Create(&b, archive.Zip, archive.Manifest{Model: archive.Model{Name: "m", Handler: "their_handler.py"}},
		[]archive.Content{archive.Text("net.onnx", string(m.Bytes)), archive.Text("their_handler.py", "")})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.mar")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := catalog.Open(t.Context(), path, catalog.Options{Unpack: &archive.Cache{Dir: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != "1.0" || !strings.Contains(strings.Join(got.Warnings, "\n"), "their_handler.py of the archive is not run") {
		t.Errorf("version %q, warnings %q; want 1.0 and a word about the handler", got.Version, got.Warnings)
	}
}

func TestPackRefuses(t *testing.T) {
	m, err := catalog.Open(t.Context(), "sim:animated-drawings", catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := catalog.Pack(m, nil); err == nil || !strings.Contains(err.Error(), "only an ONNX model can be packed") {
		t.Errorf("Pack = %v", err)
	}
}

// The unpacked files of a model stay until they are released, and those of one that is refused do
// not.
func TestArchiveIsReleased(t *testing.T) {
	m, err := catalog.Open(t.Context(), "builtin:mlp", catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, dir := t.TempDir(), t.TempDir()
	for name, model := range map[string]string{"a.mar": string(m.Bytes), "b.mar": string(m.Bytes), "bad.mar": "this is no model"} {
		var b bytes.Buffer
		files := []archive.Content{archive.Text("net.onnx", model), archive.Text("name.txt", name)}
		if err := archive.Create(&b, archive.Zip, archive.Manifest{Model: archive.Model{Name: "m"}}, files); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(store, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cache := &archive.Cache{Dir: dir, Bytes: 1}
	open := func(name string) (string, error) {
		m, err := catalog.Open(t.Context(), filepath.Join(store, name), catalog.Options{Unpack: cache})
		if err != nil {
			return "", err
		}
		return m.Path, nil
	}
	folders := func() int {
		found, err := filepath.Glob(filepath.Join(dir, strings.Repeat("?", 64)))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if _, err := open("bad.mar"); err == nil {
		t.Error("no error")
	}
	first, err := open("a.mar")
	if err != nil || folders() != 1 {
		t.Fatalf("%v, %d folders: that of the refused archive is not needed", err, folders())
	}
	if _, err := open("bad.mar"); err == nil || folders() != 2 {
		t.Errorf("%v, %d folders: the first is used, and the second was just made", err, folders())
	}
	cache.Release(first)
	if _, err := open("b.mar"); err != nil || folders() != 1 {
		t.Errorf("%v, %d folders: only the last is used", err, folders())
	}
}
