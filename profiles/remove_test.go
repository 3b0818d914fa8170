package profiles_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
)

// TestRemove: a removed profile is in no list, and Restore brings it back unchanged. A profile that
// is being written stays.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("testdata/v1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	const id = "20261122T091500Z-7f3a"
	if err := os.WriteFile(profiles.Path(dir, id), data, 0o600); err != nil {
		t.Fatal(err)
	}
	count := func(want int) {
		t.Helper()
		if list, err := profiles.List(dir); err != nil || len(list) != want {
			t.Errorf("%d profiles, %v; want %d", len(list), err, want)
		}
	}
	count(1)
	if err := profiles.Remove(dir, id); err != nil {
		t.Fatal(err)
	}
	count(0)
	if err := profiles.Remove(dir, id); err == nil || !strings.Contains(err.Error(), "is not in") {
		t.Errorf("a second Remove: %v", err)
	}
	if err := profiles.Restore(dir, id); err != nil {
		t.Fatal(err)
	}
	count(1)
	if got, err := os.ReadFile(profiles.Path(dir, id)); err != nil || string(got) != string(data) {
		t.Errorf("the restored profile differs: %v", err)
	}
	if err := profiles.Restore(dir, id); err == nil {
		t.Error("Restore without a removed profile is no error")
	}
}

// TestName: the last name and the last note of a profile count.
func TestName(t *testing.T) {
	path := t.TempDir() + "/p.jsonl"
	data, err := os.ReadFile("testdata/v1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range []profiles.Annotation{{Name: "first", Note: "a note"}, {Name: "baseline"}, {Note: "another"}} {
		if err := profiles.Annotate(path, time.Now(), a); err != nil {
			t.Fatal(err)
		}
	}
	p, err := profiles.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Summary(); s.Name != "baseline" || s.Note != "another" {
		t.Errorf("name %q, note %q", s.Name, s.Note)
	}
	for _, name := range []string{strings.Repeat("x", 41), "two\nlines"} {
		if err := profiles.Annotate(path, time.Now(), profiles.Annotation{Name: name}); err == nil {
			t.Errorf("the name %q was accepted", name)
		}
	}
}
