package profiles_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// machine is a shard on a machine with this speed before its first point and after its last one; 0 is no
// control.
type machine struct{ first, last float64 }

// shardOn writes shard i of n with the name id, hours after at, measured on m: one setting with i workers, which passes. It
// resumes another one if resumes is not "".
func shardOn(t *testing.T, dir, id, resumes string, i, n, hours int, m machine, end bool) *profiles.Profile {
	t.Helper()
	h := header(id)
	h.Created = at.Add(time.Duration(hours) * time.Hour)
	h.Shard, h.Grid, h.Control = &plan.Shard{Index: i, Count: n}, &plan.Grid{Points: n}, control()
	if resumes != "" {
		h.Resumes = &resumes
	}
	path := profiles.Path(dir, id)
	w, err := profiles.Create(path, h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	measured := precise(2, 1+float64(i)/10, 1)
	measured.Settings.Workers, measured.Seed = i, uint64(hours)
	var steps []error
	if m.first > 0 {
		steps = append(steps, w.Trial(controlRun(1, m.first)))
	}
	steps = append(steps, w.Trial(measured))
	if m.last > 0 {
		steps = append(steps, w.Trial(controlRun(3, m.last)))
	}
	if end {
		steps = append(steps, w.Choice(trial.Choice{N: 2, Settings: measured.Settings}), w.End(profiles.Done, 0))
	}
	if err := errors.Join(append(steps, w.Close())...); err != nil {
		t.Fatal(err)
	}
	return read(t, path)
}

func mergeShards(t *testing.T, force bool, parts ...*profiles.Profile) (profiles.MergeResult, *profiles.Profile, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "merged.jsonl")
	r, err := profiles.Merge(path, parts, profiles.MergeOptions{ID: "merged", At: at, Tool: "sweetspot 0.1.0", Force: force})
	if err != nil {
		return r, nil, err
	}
	return r, read(t, path), nil
}

// TestMergeMachines: a setting is recommended only if the controls of no two shards differ beyond their
// intervals, which are 1% wide on each side here.
func TestMergeMachines(t *testing.T) {
	even := machine{1, 1}
	for _, c := range []struct {
		name     string
		machines []machine
		want     profiles.Machines
		why      string // part of the reason why nothing is recommended, or of a warning
	}{
		{"equal", []machine{even, even, even}, profiles.Alike, ""},
		{"within the intervals", []machine{even, {1.01, 1.01}, {.995, 1}}, profiles.Alike, ""},
		{"the second is slower", []machine{even, {.8, .8}, even}, profiles.Differ, "the control of shard 2/3 against that of 1/3: throughput 20% lower"},
		{"the third is faster", []machine{even, even, {1.2, 1.2}}, profiles.Differ, "and 1 more pairs of shards"},
		{"it drifts from one to the other", []machine{even, {1, .8}, even}, profiles.Alike, "shard 2/3: its machine changed while it measured: from the first control to the last throughput 20% lower"},
		{"one has no control", []machine{even, {}, even}, profiles.Unknown, "the control of shard 2/3 was not measured"},
		{"one has only one", []machine{even, {1, 0}, even}, profiles.Alike, ""},
	} {
		dir := newDir(t)
		var parts []*profiles.Profile
		for i, m := range c.machines {
			parts = append(parts, shardOn(t, dir, fmt.Sprint("s", i+1), "", i+1, len(c.machines), i, m, true))
		}
		r, p, err := mergeShards(t, false, parts...)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		choice, chosen := p.Choice()
		if r.Shards.Machines != c.want || chosen != (c.want == profiles.Alike) || chosen != (r.Exit == 0) || chosen != (r.Choice != nil) || !chosen && p.End.Exit != 3 {
			t.Errorf("%s: machines %s, exit %d, choice %+v", c.name, r.Shards.Machines, r.Exit, choice)
		}
		if chosen && choice.Settings.Workers != 3 {
			t.Errorf("%s: choice %v, want the one with the highest throughput", c.name, choice.Settings)
		}
		if text := r.Why + strings.Join(r.Warnings, "\n"); !strings.Contains(text, c.why) || c.why == "" && text != "" {
			t.Errorf("%s: %q, want %q", c.name, text, c.why)
		}
		if p.Header.Merged == nil || p.Header.Merged.Machines != c.want || p.Header.Merged.Measured != 3 || p.Header.Shard != nil || p.Header.Control != nil {
			t.Errorf("%s: header %+v", c.name, p.Header.Merged)
		}
		var text strings.Builder
		if err := errors.Join(profiles.WriteShow(&text, p, profiles.Style{}), profiles.WriteMerge(&text, r, profiles.Style{})); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(text.String(), "3 of 3 shards, 3 of 3 points"); n != 2 {
			t.Errorf("%s: shown as\n%s", c.name, text.String())
		}
	}
}

// TestMergeForced: parts that differ are merged by force, which the header says, and nothing is recommended if their
// controls differ.
func TestMergeForced(t *testing.T) {
	dir := newDir(t)
	a := shardOn(t, dir, "a", "", 1, 2, 0, machine{1, 1}, true)
	for _, speed := range []float64{1, .5} {
		b := shardOn(t, newDir(t), "b", "", 2, 2, 1, machine{speed, speed}, true)
		b.Header.Machine.CPU = "Other CPU"
		b.Header.Machine.Class = ""
		if r, _, err := mergeShards(t, false, a, b); !errors.Is(err, profiles.ErrNotComparable) || r.Exit != 3 || len(r.Unlike) != 1 || r.ID != "" {
			t.Errorf("without force: %v, %+v", err, r)
		}
		r, p, err := mergeShards(t, true, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"b: CPU: Test CPU and Other CPU"}; !slices.Equal(r.Unlike, want) || !slices.Equal(p.Header.Merged.Unlike, want) {
			t.Errorf("unlike: %q and %q", r.Unlike, p.Header.Merged.Unlike)
		}
		if _, chosen := p.Choice(); chosen != (speed == 1) {
			t.Errorf("speed %g: choice %v", speed, chosen)
		}
	}
}

// TestMergeRepeated: of several measurements of a shard the complete one counts, then the later one, each with
// those that it resumes.
func TestMergeRepeated(t *testing.T) {
	even := machine{1, 1}
	dir := newDir(t)
	other := shardOn(t, dir, "other", "", 1, 2, 0, even, true)
	cut := shardOn(t, dir, "cut", "", 2, 2, 1, even, false)
	resumed := shardOn(t, dir, "resumed", "cut", 2, 2, 2, even, true)
	later := shardOn(t, dir, "later", "", 2, 2, 3, even, true)
	latest := shardOn(t, dir, "latest", "", 2, 2, 4, even, false)
	for _, c := range []struct {
		parts []*profiles.Profile
		used  string
		state profiles.State
	}{
		{[]*profiles.Profile{other, cut}, "other cut", profiles.Stopped},
		{[]*profiles.Profile{other, cut, resumed}, "other cut resumed", profiles.Done},
		{[]*profiles.Profile{other, resumed}, "other resumed", profiles.Done},
		{[]*profiles.Profile{other, resumed, later, cut}, "other later", profiles.Done},
		{[]*profiles.Profile{other, resumed, later, cut, latest}, "other later", profiles.Done},
		{[]*profiles.Profile{other, cut, latest}, "other latest", profiles.Stopped},
	} {
		r, _, err := mergeShards(t, false, c.parts...)
		if err != nil {
			t.Fatal(err)
		}
		var used []string
		for _, p := range r.Parts {
			if p.LeftOut == "" {
				used = append(used, p.ID)
			} else if !strings.Contains(p.LeftOut, "shard 2/2 was measured more than once") || p.Trials != 0 {
				t.Errorf("left out: %+v", p)
			}
		}
		if got := strings.Join(used, " "); got != c.used || r.State != c.state {
			t.Errorf("%d parts: used %q, %s; want %q, %s", len(c.parts), got, r.State, c.used, c.state)
		}
	}
	// Profiles that say they resume one another are no error of this program.
	cut.Header.Resumes = &resumed.Header.ID
	if _, _, err := mergeShards(t, false, other, cut, resumed); err != nil {
		t.Errorf("a cycle: %v", err)
	}
}

// TestMergeDifferentGrids: shards of another division, or of a grid that came out differently, are refused.
func TestMergeDifferentGrids(t *testing.T) {
	even := machine{1, 1}
	a := shardOn(t, newDir(t), "a", "", 1, 2, 0, even, true)
	b := shardOn(t, newDir(t), "b", "", 2, 3, 1, even, true)
	c := shardOn(t, newDir(t), "c", "", 2, 2, 1, even, true)
	c.Header.Grid = &plan.Grid{Points: 30}
	for want, p := range map[string]*profiles.Profile{
		"b: shard 2/3 and shard 1/2 of a are parts of different divisions": b,
		"c: another grid than a, of 2 and 30 points":                       c,
	} {
		if _, _, err := mergeShards(t, false, a, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
