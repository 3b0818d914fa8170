package profiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
)

// create creates a profile at path that has only a header, this number of hours after at.
func create(t *testing.T, path, id string, hours int) {
	t.Helper()
	h := header(id)
	h.Created = at.Add(time.Duration(hours) * time.Hour)
	w, err := profiles.Create(path, h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func ids(t *testing.T, dir string) string {
	t.Helper()
	list, err := profiles.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range list {
		if s.Error != "" {
			t.Errorf("%s: %s", s.ID, s.Error)
		}
		out = append(out, s.ID)
	}
	return strings.Join(out, " ")
}

// TestLink: a profile of --out is listed, and found by its ID and as the last one, as long
// as it exists.
func TestLink(t *testing.T) {
	const home, first, second = "20261122T091500Z-7f3a", "20261122T101500Z-0001", "20261122T111500Z-0002"
	dir, out := newDir(t), filepath.Join(t.TempDir(), "results", profiles.FileName)
	create(t, profiles.Path(dir, home), home, 0)
	create(t, out, first, 1)
	if err := profiles.Link(dir, first, out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{profiles.Last, first, "20261122T10"} {
		if p, err := profiles.Open(dir, name); err != nil || p.Header.ID != first {
			t.Errorf("Open(%q) = %v, %v; want the profile outside", name, p, err)
		}
	}
	if got := ids(t, dir); got != first+" "+home {
		t.Errorf("list = %s", got)
	}

	// After it was deleted, it is ignored, and reported by Dangling.
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	if p, err := profiles.Open(dir, profiles.Last); err != nil || p.Header.ID != home {
		t.Errorf("the last one without it = %v, %v", p, err)
	}
	if dangling, err := profiles.Dangling(dir); err != nil || len(dangling) != 1 || dangling[0] != first || ids(t, dir) != home {
		t.Errorf("dangling = %v, %v; list = %s", dangling, err, ids(t, dir))
	}
	if _, err := profiles.Find(dir, first); err == nil || !strings.Contains(err.Error(), "to "+out+" and is no longer there") {
		t.Errorf("Find of a deleted profile: %v", err)
	}

	// Another profile at the same path is not found under the old ID, and Link removes the
	// old link.
	create(t, out, second, 2)
	if _, err := profiles.Find(dir, first); err == nil {
		t.Error("another profile at the same path is found under the old ID")
	}
	if err := profiles.Link(dir, second, out); err != nil {
		t.Fatal(err)
	}
	if dangling, err := profiles.Dangling(dir); err != nil || len(dangling) > 0 || ids(t, dir) != second+" "+home {
		t.Errorf("dangling = %v, %v; list = %s", dangling, err, ids(t, dir))
	}
}

// TestLinkByHand: a link that a person made, with a name that is not an ID, is found under
// its name.
func TestLinkByHand(t *testing.T) {
	dir := newDir(t)
	create(t, profiles.Path(dir, "20261122T091500Z-7f3a"), "20261122T091500Z-7f3a", 0)
	if err := os.Symlink(profiles.Path(dir, "20261122T091500Z-7f3a"), profiles.Path(dir, "baseline")); err != nil {
		t.Fatal(err)
	}
	if p, err := profiles.Open(dir, "baseline"); err != nil || p.Header.ID != "20261122T091500Z-7f3a" {
		t.Errorf("Open(baseline) = %v, %v", p, err)
	}
}

// TestFindFolder: the name of a folder finds its profile.jsonl.
func TestFindFolder(t *testing.T) {
	dir := newDir(t)
	t.Chdir(t.TempDir())
	for _, path := range []string{"results", "several/one", "several/two", "20261122T09"} {
		create(t, filepath.Join(path, profiles.FileName), "20261122T091500Z-7f3a", 0)
	}
	if err := os.MkdirAll("odd[1]/x", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "20261122T091500Z-7f3a")
	for _, c := range []struct{ name, want, err string }{
		{name: "results", want: "results/profile.jsonl"},
		{name: "./results/", want: "results/profile.jsonl"},
		{name: "several/one", want: "several/one/profile.jsonl"},
		{name: "20261122T09", want: profiles.Path(dir, "20261122T091500Z-7f3a")}, // IDs have priority
		{name: "./20261122T09", want: "20261122T09/profile.jsonl"},
		{name: "several", err: "the folder several has several profiles; choose one: several/one, several/two"},
		{name: "odd[1]", err: "the folder odd[1] has no profile.jsonl"},
	} {
		got, err := profiles.Find(dir, c.name)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("Find(%q) = %v, want error %q", c.name, err, c.err)
		}
		if got != c.want {
			t.Errorf("Find(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}
