package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files writes a tree: a module, one nested in it, and files that have no targets.
func files(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                     "module a\n\ngo 1.26\n",
		"b/b_test.go":                "package b\n\nimport \"testing\"\n\nfunc FuzzGood(f *testing.F) { f.Fuzz(func(*testing.T, byte) {}) }\n\nfunc TestX(*testing.T) {}\n\nfunc Fuzzy(int) {}\n",
		"b/bad_test.go":              "package b\n\nimport \"testing\"\n\nfunc FuzzBad(f *testing.F) { f.Fuzz(func(t *testing.T, s string) { if len(s) > 0 { t.Fatal(\"it is long\") } }) }\n",
		"b/other_plan9_test.go":      "package b\n\nimport \"testing\"\n\nfunc FuzzElsewhere(f *testing.F) {}\n",
		"b/testdata/c_test.go":       "package c\n\nfunc FuzzData(f *testing.F) {}\n",
		"nested/go.mod":              "module nested\n\ngo 1.26\n",
		"nested/inner/inner_test.go": "package inner\n\nimport \"testing\"\n\nfunc FuzzInner(f *testing.F) {}\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFindTargets(t *testing.T) {
	root := files(t)
	got, err := findTargets(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []target{
		{module: root, folder: "b", pkg: "b", name: "FuzzBad"},
		{module: root, folder: "b", pkg: "b", name: "FuzzGood"},
		{module: filepath.Join(root, "nested"), folder: "inner", pkg: "nested/inner", name: "FuzzInner"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

// TestFuzz: a target that fails is reported, its input is kept, and the others still run.
func TestFuzz(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and fuzzes for seconds")
	}
	root := files(t)
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-root", root, "-time", "1s", "-only", `^b\.`, "-parallel", "1"}, &stdout, &stderr); code != 2 {
		t.Fatalf("exit code %d, want 2\n%s%s", code, &stdout, &stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "b.FuzzBad ") || !strings.HasSuffix(lines[0], " FAILED") ||
		!strings.HasPrefix(lines[1], "b.FuzzGood ") || !strings.HasSuffix(lines[1], " ok") || !strings.HasPrefix(lines[2], "end 2 targets, 1 failed: ") {
		t.Errorf("printed\n%s", &stdout)
	}
	if !strings.Contains(stderr.String(), "it is long") {
		t.Errorf("stderr has no reason:\n%s", &stderr)
	}
	if kept, _ := filepath.Glob(filepath.Join(root, "b/testdata/fuzz/FuzzBad/*")); len(kept) != 1 {
		t.Errorf("kept: %q, want one input", kept)
	}
}

// TestEndedByTime: the end of the time is no failure, a failing input is one.
func TestEndedByTime(t *testing.T) {
	const end = "FAIL\nexit status 1\nFAIL\tb\t120.040s\n"
	for output, want := range map[string]bool{
		"--- FAIL: FuzzA (120.03s)\n    context deadline exceeded\n" + end:                                             true,
		"--- FAIL: FuzzA (0.03s)\n    --- FAIL: FuzzA (0.00s)\n        a_test.go:7: context deadline exceeded\n" + end: false,
		"--- FAIL: FuzzA (120.03s)\n    context deadline exceeded\n    Failing input written to testdata\n" + end:      false,
		"": false,
	} {
		if got := endedByTime(output); got != want {
			t.Errorf("%v for\n%s", got, output)
		}
	}
}

func TestRunErrors(t *testing.T) {
	root := files(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-h"}, 0, "-only EXPRESSION"},
		{[]string{"FuzzGood"}, 1, `"FuzzGood": no arguments are taken; to choose targets use -only`},
		{[]string{"-time", "10ms"}, 1, "-time 10ms: at least 1s"},
		{[]string{"-parallel", "-1"}, 1, "-parallel -1: 0 or more"},
		{[]string{"-only", "("}, 1, "-only: error parsing regexp"},
		{[]string{"-root", root, "-only", "FuzzNone"}, 1, "-only FuzzNone: none of the 3 targets matches"},
		{[]string{"-root", t.TempDir()}, 1, "no fuzz targets"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), c.args, &stdout, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("run(%q) = %d, %q, want %d, %q", c.args, code, stderr.String(), c.code, c.want)
		}
	}
}

func TestRead(t *testing.T) {
	got, other := read(strings.NewReader("fuzz: elapsed: 0s, gathering baseline coverage: 0/10 completed\n" +
		"fuzz: elapsed: 3s, execs: 300 (100/sec), new interesting: 1 (total: 11)\n" +
		"fuzz: elapsed: 1m5s, execs: 812 (120/sec), new interesting: 2 (total: 12)\nPASS\n"))
	want := result{inputs: 812, took: 65 * time.Second, found: 2}
	if got != want || other != "fuzz: elapsed: 0s, gathering baseline coverage: 0/10 completed\nPASS\n" {
		t.Errorf("read = %+v, %q, want %+v", got, other, want)
	}
}

func FuzzParseProgress(f *testing.F) {
	f.Add("fuzz: elapsed: 3s, execs: 300 (100/sec), new interesting: 1 (total: 11)\n")
	f.Add("fuzz: elapsed: 3x, execs: 99999999999999999999 (100/sec), new interesting: 1 (total: 11)")
	f.Fuzz(func(t *testing.T, line string) {
		if r, ok := parseProgress(line); ok && (r.inputs < 0 || r.took < 0 || r.found < 0) {
			t.Errorf("%q is read as %+v", line, r)
		}
	})
}
