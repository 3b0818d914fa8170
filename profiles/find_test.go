package profiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/profiles"
)

// folder returns a folder with two valid profiles and two damaged ones. Of the valid
// profiles the first one by name is the newer one.
func folder(t *testing.T) string {
	t.Helper()
	dir := newDir(t)
	write(t, dir, "20261122T091500Z-7f3a")
	h := header("20261122T080000Z-00aa")
	h.Created = at.Add(time.Hour)
	w, err := profiles.Create(profiles.Path(dir, h.ID), h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"broken.jsonl": "hello\n", "damaged.jsonl": head + "x\n", "notes.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	dir := folder(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("here", []byte(head), 0o600); err != nil {
		t.Fatal(err)
	}
	newer, older := profiles.Path(dir, "20261122T080000Z-00aa"), profiles.Path(dir, "20261122T091500Z-7f3a")
	tests := []struct{ name, want, err string }{
		{name: "last", want: newer},
		{name: "20261122T091500Z-7f3a", want: older},
		{name: "20261122T09", want: older},
		{name: older, want: older},
		{name: "here", want: "here"},
		{name: "./here", want: "./here"},
		{name: "b", want: profiles.Path(dir, "broken")},
		{name: "20261122", err: `"20261122" is the start of 20261122T080000Z-00aa, 20261122T091500Z-7f3a; type more characters`},
		{name: "nope", err: `"nope": no such profile in ` + dir},
		{name: "no/such.jsonl", err: "no/such.jsonl: no such file; sweetspot profiles list"},
		{name: "", err: "no name; want an ID"},
	}
	for _, c := range tests {
		got, err := profiles.Find(dir, c.name)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("Find(%q) = %v, want error %q", c.name, err, c.err)
		}
		if got != c.want {
			t.Errorf("Find(%q) = %q, want %q", c.name, got, c.want)
		}
	}
	if p, err := profiles.Open(dir, "2026112209"); err == nil {
		t.Errorf("Open of a missing profile = %v", p)
	}
	if _, err := profiles.Find(filepath.Join(dir, "none"), "last"); err == nil || !strings.Contains(err.Error(), "sweetspot MODEL --sweep creates one") {
		t.Errorf("Find(last) in a missing folder: %v", err)
	}
}

func TestList(t *testing.T) {
	dir := folder(t)
	list, err := profiles.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		ID     string
		State  profiles.State
		Trials int
		Best   bool
		Error  bool
	}
	var got []row
	for _, s := range list {
		got = append(got, row{s.ID, s.State, s.Trials, s.Best != nil, s.Error != ""})
	}
	want := []row{
		{"20261122T080000Z-00aa", profiles.Interrupted, 0, false, false},
		{"20261122T091500Z-7f3a", profiles.Done, 3, true, false},
		{"damaged", profiles.Interrupted, 0, false, true},
		{"broken", "", 0, false, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	if list, err := profiles.List(filepath.Join(dir, "none")); err != nil || len(list) > 0 {
		t.Errorf("List of a missing folder = %v, %v", list, err)
	}
}
