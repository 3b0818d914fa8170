package profiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
)

// begin writes the header of a profile at path, created so many hours later.
func begin(t *testing.T, path, id string, later int) {
	t.Helper()
	h := header(id)
	h.Created = at.Add(time.Duration(later) * time.Hour)
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

// TestLink: a sweep with --out is the last one too, by its ID and in the list, for
// as long as it is where it was.
func TestLink(t *testing.T) {
	const home, first, second = "20261122T091500Z-7f3a", "20261122T101500Z-0001", "20261122T111500Z-0002"
	dir, out := in(t), filepath.Join(t.TempDir(), "results", profiles.InFolder)
	begin(t, profiles.Path(dir, home), home, 0)
	begin(t, out, first, 1)
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

	// Taken away: skipped everywhere, and told.
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	if p, err := profiles.Open(dir, profiles.Last); err != nil || p.Header.ID != home {
		t.Errorf("the last one without it = %v, %v", p, err)
	}
	if gone, err := profiles.Gone(dir); err != nil || len(gone) != 1 || gone[0] != first || ids(t, dir) != home {
		t.Errorf("gone = %v, %v; list = %s", gone, err, ids(t, dir))
	}
	if _, err := profiles.Find(dir, first); err == nil || !strings.Contains(err.Error(), "to "+out+", where it is no more") {
		t.Errorf("Find of what is gone: %v", err)
	}

	// Another sweep in its place is not taken for it, and takes its link away.
	begin(t, out, second, 2)
	if _, err := profiles.Find(dir, first); err == nil {
		t.Error("another profile in its place is found under its ID")
	}
	if err := profiles.Link(dir, second, out); err != nil {
		t.Fatal(err)
	}
	if gone, err := profiles.Gone(dir); err != nil || len(gone) > 0 || ids(t, dir) != second+" "+home {
		t.Errorf("gone = %v, %v; list = %s", gone, err, ids(t, dir))
	}
}

// TestLinkOfAPerson: a link that somebody made under a name of their own stays what
// it is.
func TestLinkOfAPerson(t *testing.T) {
	dir := in(t)
	begin(t, profiles.Path(dir, "20261122T091500Z-7f3a"), "20261122T091500Z-7f3a", 0)
	if err := os.Symlink(profiles.Path(dir, "20261122T091500Z-7f3a"), profiles.Path(dir, "baseline")); err != nil {
		t.Fatal(err)
	}
	if p, err := profiles.Open(dir, "baseline"); err != nil || p.Header.ID != "20261122T091500Z-7f3a" {
		t.Errorf("Open(baseline) = %v, %v", p, err)
	}
}

// TestFindFolder: a folder that holds a profile.jsonl names it.
func TestFindFolder(t *testing.T) {
	dir := in(t)
	t.Chdir(t.TempDir())
	for _, path := range []string{"results", "several/one", "several/two", "20261122T09"} {
		begin(t, filepath.Join(path, profiles.InFolder), "20261122T091500Z-7f3a", 0)
	}
	if err := os.MkdirAll("odd[1]/x", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "20261122T091500Z-7f3a")
	for _, c := range []struct{ name, want, err string }{
		{name: "results", want: "results/profile.jsonl"},
		{name: "./results/", want: "results/profile.jsonl"},
		{name: "several/one", want: "several/one/profile.jsonl"},
		{name: "20261122T09", want: profiles.Path(dir, "20261122T091500Z-7f3a")}, // an ID comes first
		{name: "./20261122T09", want: "20261122T09/profile.jsonl"},
		{name: "several", err: "the folder several holds several profiles; name one: several/one, several/two"},
		{name: "odd[1]", err: "the folder odd[1] holds no profile.jsonl"},
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
