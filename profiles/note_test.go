package profiles_test

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/profiles"
)

func TestAnnotate(t *testing.T) {
	path := write(t, newDir(t), "a")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []profiles.Annotation{
		{Note: " before the new driver\n", Tag: []string{"baseline", "v1"}},
		{Tag: []string{"baseline", "nightly"}, Untag: []string{"v1", "never"}},
		{Note: "see /home/alice/notes.txt"},
	} {
		if err := profiles.Annotate(path, at, r); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(after, before) {
		t.Error("the lines before the notes have changed")
	}
	p := read(t, path)
	if diff := cmp.Diff([]string{"baseline", "nightly"}, p.Tags()); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	var notes []string
	for _, e := range p.Events {
		if e.What == "note" {
			notes = append(notes, e.Detail)
		}
	}
	if diff := cmp.Diff([]string{"before the new driver", "see notes.txt"}, notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if p.State() != profiles.Done || len(p.Warnings) > 0 {
		t.Errorf("state %s, warnings %q: notes after the end line must change neither", p.State(), p.Warnings)
	}
}

// TestAnnotateIncomplete annotates a profile that was cut somewhere in its last lines: all
// complete lines and the note are read, and no line is damaged.
func TestAnnotateIncomplete(t *testing.T) {
	dir := newDir(t)
	data, err := os.ReadFile(write(t, dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	path := profiles.Path(dir, "cut")
	for _, missing := range []int{0, 1, 2, 3, 20, 60, 100, 101, 102, 110, 150, 200} {
		cut := len(data) - missing
		if err := os.WriteFile(path, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		before := len(read(t, path).Lines)
		if err := profiles.Annotate(path, at, profiles.Annotation{Note: "kept"}); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		p := read(t, path)
		if len(p.Warnings) > 0 || len(p.Lines) != before+1 || p.Events[len(p.Events)-1].Detail != "kept" {
			t.Fatalf("cut at %d: %d lines after %d, warnings %q", cut, len(p.Lines), before, p.Warnings)
		}
	}
}

func TestAnnotateErrors(t *testing.T) {
	dir := newDir(t)
	path := write(t, dir, "a")
	for _, c := range []struct {
		annotation profiles.Annotation
		want       string
	}{
		{profiles.Annotation{Note: " "}, "nothing to add"},
		{profiles.Annotation{Tag: []string{"two words"}}, `tag "two words": want 1-40 letters`},
		{profiles.Annotation{Untag: []string{"-x"}}, `tag "-x"`},
	} {
		if err := profiles.Annotate(path, at, c.annotation); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Annotate(%+v) = %v, want %q", c.annotation, err, c.want)
		}
	}
	if err := profiles.Annotate(profiles.Path(dir, "none"), at, profiles.Annotation{Note: "x"}); err == nil {
		t.Error("Annotate of a missing file: no error")
	}
	w, err := profiles.Create(profiles.Path(dir, "b"), header("b"), profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	err = profiles.Annotate(profiles.Path(dir, "b"), at, profiles.Annotation{Note: "x"})
	if err == nil || !strings.Contains(err.Error(), "still being written") {
		t.Errorf("Annotate while it is written: %v", err)
	}
}

func TestAnnotateConcurrently(t *testing.T) {
	path := write(t, newDir(t), "a")
	var wg sync.WaitGroup
	done := make([]bool, 8)
	for i := range done {
		wg.Go(func() { done[i] = profiles.Annotate(path, at, profiles.Annotation{Note: "x"}) == nil })
	}
	wg.Wait()
	want := 1 // the paused event of write
	for _, ok := range done {
		if ok {
			want++
		}
	}
	if p := read(t, path); len(p.Events) != want || len(p.Warnings) > 0 {
		t.Errorf("%d events, want %d; warnings %q", len(p.Events), want, p.Warnings)
	}
}

func TestFilter(t *testing.T) {
	dir := folder(t)
	if err := profiles.Annotate(profiles.Path(dir, "20261122T091500Z-7f3a"), at, profiles.Annotation{Tag: []string{"baseline"}}); err != nil {
		t.Fatal(err)
	}
	list, err := profiles.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	const older, newer = "20261122T091500Z-7f3a", "20261122T080000Z-00aa"
	for _, c := range []struct {
		filter profiles.Filter
		want   string
	}{
		{profiles.Filter{}, newer + " " + older + " damaged broken"},
		{profiles.Filter{Model: "mlp*"}, newer + " " + older},
		{profiles.Filter{Model: "mlp"}, ""},
		{profiles.Filter{Since: at.Add(1)}, newer},
		{profiles.Filter{State: profiles.Done}, older},
		{profiles.Filter{State: profiles.Interrupted, Model: "mlp-wide"}, newer},
		{profiles.Filter{Tag: "baseline"}, older},
		{profiles.Filter{Tag: "other"}, ""},
	} {
		got, err := c.filter.Select(list)
		var ids []string
		for _, s := range got {
			ids = append(ids, s.ID)
		}
		if err != nil || strings.Join(ids, " ") != c.want {
			t.Errorf("%+v: %v, %v, want %s", c.filter, ids, err, c.want)
		}
	}
	_, err = profiles.Filter{Model: "[", State: "finished"}.Select(list)
	for _, want := range []string{`model "[": not a valid pattern`, `state "finished": unknown; known: done`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Select = %v, want %q", err, want)
		}
	}
	var b bytes.Buffer
	if err := profiles.WriteList(&b, list[:2], profiles.Style{}); err != nil || !strings.Contains(b.String(), "baseline") {
		t.Errorf("the list does not show tags: %v\n%s", err, b.String())
	}
}

func TestParseSince(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"2026-11-20", "2026-11-20T00:00:00Z"},
		{"2026-11-20T10:30:00+01:00", "2026-11-20T09:30:00Z"},
		{"2026-11-20T10:30", "2026-11-20T10:30:00Z"},
		{"36h", "2026-11-20T21:15:00Z"},
		{"7d", "2026-11-15T09:15:00Z"},
		{"yesterday", ""},
		{"-3h", ""},
		{"-3d", ""},
		{"", ""},
	} {
		got, err := profiles.ParseSince(c.in, at)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "36h or 7d") {
				t.Errorf("ParseSince(%q) = %v, %v, want an error", c.in, got, err)
			}
			continue
		}
		if err != nil || got.UTC().Format("2006-01-02T15:04:05Z") != c.want {
			t.Errorf("ParseSince(%q) = %v, %v, want %s", c.in, got, err, c.want)
		}
	}
}
