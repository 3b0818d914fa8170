package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// planIn matches a plan in a page that names its file.
var planIn = regexp.MustCompile("(?s)```yaml\n# (testdata/command/\\S+)\n(.*?)```")

// TestCommandPage: the plans of docs/targets.md are those that the script command runs.
func TestCommandPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/targets.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, m := range planIn.FindAllStringSubmatch(string(page), -1) {
		shown[m[1]] = m[2]
	}
	files, err := filepath.Glob("../../testdata/command/*.yaml")
	if err != nil || len(files) < 2 || len(files) != len(shown) {
		t.Fatalf("%d plans in the folder, %d on the page, %v", len(files), len(shown), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), shown["testdata/command/"+filepath.Base(file)]); diff != "" {
			t.Errorf("%s and docs/targets.md differ (-file +page):\n%s", file, diff)
		}
	}
}
