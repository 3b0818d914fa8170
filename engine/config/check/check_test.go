package check_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"sweetspot/engine/config"
	"sweetspot/engine/config/check"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// broken is a broken file of testdata: the file, the archives beside it, the report and the
// file with all fixes. The comment says which trap it is.
type broken struct {
	path    string
	archive *txtar.Archive
	name    string // of the file
	data    []byte
}

const storePrefix = "store/"

// readBroken reads all cases.
func readBroken(t testing.TB) []broken {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var out []broken
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b := broken{path: path, archive: a}
		for _, f := range a.Files {
			if strings.HasPrefix(f.Name, "config.") || f.Name == "model-config.yaml" {
				b.name, b.data = f.Name, f.Data
			}
		}
		if b.name == "" {
			t.Fatalf("%s has no configuration", path)
		}
		out = append(out, b)
	}
	return out
}

func (b broken) title() string { return strings.TrimSuffix(filepath.Base(b.path), ".txtar") }

func (b broken) file(name string) (string, bool) {
	if b.archive == nil {
		return "", false
	}
	for _, f := range b.archive.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

// Archive makes the case a config.Store: store/FILE/version and store/FILE/model-config.yaml.
func (b broken) Archive(file string) (config.Archive, error) {
	version, ok := b.file(storePrefix + file + "/version")
	if !ok {
		return config.Archive{}, fmt.Errorf("no such archive: %w", fs.ErrNotExist)
	}
	a := config.Archive{Version: strings.TrimSpace(version)}
	if text, ok := b.file(storePrefix + file + "/model-config.yaml"); ok {
		a.Config, a.ConfigName = []byte(text), "model-config.yaml"
	}
	return a, nil
}

// Archives makes the case a config.Store.
func (b broken) Archives() ([]string, error) {
	var out []string
	for _, f := range b.archive.Files {
		if file, ok := strings.CutSuffix(strings.TrimPrefix(f.Name, storePrefix), "/version"); ok {
			out = append(out, file)
		}
	}
	return out, nil
}

func (b broken) options() check.Options {
	if slices.ContainsFunc(b.archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, storePrefix) }) {
		return check.Options{Store: b}
	}
	return check.Options{}
}

// TestBroken checks the report and the fixed file of each case.
func TestBroken(t *testing.T) {
	for _, b := range readBroken(t) {
		t.Run(b.title(), func(t *testing.T) {
			r, err := check.Run(b.name, b.data, b.options())
			if err != nil {
				t.Fatal(err)
			}
			if r.Clean() {
				t.Error("the file is clean; every case is a trap")
			}
			fixed, n, err := check.Fix(b.name, b.data, b.options())
			if err != nil {
				t.Fatal(err)
			}
			after, err := check.Run(b.name, fixed, b.options())
			if err != nil {
				t.Fatal(err)
			}
			fixable := 0
			for _, f := range after.Findings {
				if f.Fixable && f.Severity > config.Note {
					fixable++
				}
			}
			if fixable > 0 {
				t.Errorf("%d findings of the fixed file are fixable:\n%s", fixable, after.Lines())
			}
			golden(t, b, []txtar.File{
				{Name: "report", Data: []byte(r.Lines())},
				{Name: "fixed", Data: fixed},
				{Name: "report of fixed", Data: fmt.Appendf(nil, "fixes: %d\n%s", n, after.Lines())},
			})
		})
	}
}

// golden compares files of a case, or rewrites them.
func golden(t *testing.T, b broken, files []txtar.File) {
	t.Helper()
	for _, f := range files {
		want, _ := b.file(f.Name)
		if diff := cmp.Diff(want, string(f.Data)); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", f.Name, diff)
		}
	}
	if *update {
		kept := slices.DeleteFunc(slices.Clone(b.archive.Files), func(f txtar.File) bool {
			return slices.ContainsFunc(files, func(g txtar.File) bool { return f.Name == g.Name })
		})
		b.archive.Files = append(kept, files...)
		if err := os.WriteFile(b.path, txtar.Format(b.archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTexts checks that both forms of a report have all findings and all values in force.
func TestTexts(t *testing.T) {
	for _, b := range readBroken(t) {
		r, err := check.Run(b.name, b.data, b.options())
		if err != nil {
			t.Fatal(err)
		}
		for form, text := range map[string]string{"lines": r.Lines(), "blocks": r.Blocks()} {
			for _, f := range r.Findings {
				if !strings.Contains(text, fmt.Sprintf("%s:%d", f.File, f.Line)) || !strings.Contains(text, f.Does) || !strings.Contains(text, f.Write) {
					t.Errorf("%s: the %s lack %v", b.title(), form, f)
				}
			}
			for _, e := range r.Effects {
				if !strings.Contains(text, check.EffectText(e)) {
					t.Errorf("%s: the %s lack %v", b.title(), form, e)
				}
			}
		}
	}
}

// TestRecognize checks how the kind of a file is told.
func TestRecognize(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       check.Kind
	}{
		{"a.properties", "x: y", check.Properties},
		{"20260101-startup.cfg", "", check.Properties},
		{"a.yml", "x=y", check.ModelConfig},
		{"a.pbtxt", "", check.Triton},
		{"a", "# c\ninference_address=http://h:1\n", check.Properties},
		{"a", "batchSize: 8\n", check.ModelConfig},
		{"a", "inference_address: http://h:1\n", check.Properties},
		{"a", "models={\\\n", check.Properties},
		{"a", "name: \"m\"\nmax_batch_size: 8\n", check.Triton},
		{"a", "dynamic_batching { }\n", check.Triton},
		{"a", "", check.Properties},
	} {
		if r, err := check.Run(c.name, []byte(c.text), check.Options{}); err != nil || r.Kind != c.want {
			t.Errorf("%s with %q: %s, %v; want %s", c.name, c.text, r.Kind, err, c.want)
		}
	}
	if _, err := check.Run("a", []byte("PK\x03\x04"), check.Options{}); err == nil || !strings.Contains(err.Error(), "is an archive and no configuration") {
		t.Errorf("an archive: %v", err)
	}
	if _, err := check.Run("a", make([]byte, 1<<20), check.Options{}); err == nil || !strings.Contains(err.Error(), "expected at most") {
		t.Errorf("a large file: %v", err)
	}
}
