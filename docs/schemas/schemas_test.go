package schemas_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sweetspot/docs/schemas"
)

// TestSchemas: each file of the folder is a schema of the draft, under its name, and a caller may change
// what it gets.
func TestSchemas(t *testing.T) {
	files, err := filepath.Glob("*.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	names := schemas.Names()
	if len(names) != len(files) || len(names) == 0 || !slices.IsSorted(names) {
		t.Errorf("names %q of the files %q", names, files)
	}
	for _, name := range names {
		want, err := os.ReadFile(schemas.File(name))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := schemas.Get(name)
		if !ok || string(got) != string(want) {
			t.Errorf("%s: not the text of its file", name)
		}
		var s struct {
			Schema string `json:"$schema"`
		}
		if err := json.Unmarshal(got, &s); err != nil || s.Schema != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: %q, %v", name, s.Schema, err)
		}
		clear(got)
		if again, _ := schemas.Get(name); string(again) != string(want) {
			t.Errorf("%s: a change of a caller is in the next answer", name)
		}
	}
	for _, name := range []string{"", "none", "../schemas"} {
		if _, ok := schemas.Get(name); ok {
			t.Errorf("there is a schema %q", name)
		}
	}
}
