package export_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/profiles/export"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.properties")
	content := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if err := export.WriteFile(path, []byte("a=1\nb=2\n"), false); err != nil || content() != "a=1\nb=2\n" {
		t.Fatalf("a new file: %v", err)
	}
	if err := export.WriteFile(path, []byte("a=1\nb=2\n"), false); err != nil {
		t.Errorf("the same again: %v", err)
	}
	err := export.WriteFile(path, []byte("a=1\nb=3\n"), false)
	for _, want := range []string{path + " exists and differs", "-b=2\n", "+b=3\n", "--force overwrites it", "--diff"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("another file there: %v, want %q in it", err, want)
		}
	}
	if content() != "a=1\nb=2\n" {
		t.Errorf("refused, but the content is %q", content())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := export.WriteFile(link, []byte("c\n"), true); err != nil || content() != "c\n" {
		t.Errorf("forced through a link: %v, %q", err, content())
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode after force = %v, want it kept", info.Mode())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("remaining files: %v, %v", entries, err)
	}
}

func TestWriteFileErrors(t *testing.T) {
	dir := t.TempDir()
	if err := export.WriteFile(dir, []byte("x"), true); err == nil {
		t.Error("over a folder: no error")
	}
	if err := export.WriteFile(filepath.Join(dir, "no", "x"), []byte("x"), false); err == nil {
		t.Error("into a missing folder: no error")
	}
	if err := export.WriteFile(filepath.Join(dir, "no", "x"), []byte("x"), false); !strings.Contains(err.Error(), "there is no folder "+filepath.Join(dir, "no")) {
		t.Errorf("into a missing folder: %v", err)
	}
	if err := export.WriteFile(os.DevNull, []byte("x"), true); err == nil || !strings.Contains(err.Error(), "is not a regular file; without --to") {
		t.Errorf("onto a device: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := export.WriteFile(filepath.Join(file, "x"), []byte("x"), true); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("below a file: %v", err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "missing"), dangling); err != nil {
		t.Fatal(err)
	}
	if err := export.WriteFile(dangling, []byte("x"), false); err == nil || !strings.Contains(err.Error(), "--diff") {
		t.Errorf("over a dangling link: %v", err)
	}
}

func TestLongDiffIsShortened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := export.WriteFile(path, []byte(strings.Repeat("a\n", 60)), false); err != nil {
		t.Fatal(err)
	}
	err := export.WriteFile(path, []byte(strings.Repeat("b\n", 60)), false)
	if err == nil || strings.Count(err.Error(), "\n") > 25 || !strings.Contains(err.Error(), "more lines") {
		t.Errorf("WriteFile = %v", err)
	}
}

func TestDiff(t *testing.T) {
	if d := export.Diff("a\n", "a\n"); d != "" {
		t.Errorf("Diff of equal texts = %q", d)
	}
	if d := export.Diff("a\n", "b\n"); !strings.Contains(d, "-a\n+b\n") {
		t.Errorf("Diff = %q", d)
	}
}
