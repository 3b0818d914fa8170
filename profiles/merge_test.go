package profiles_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/profiles"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// control returns the control of the shards.
func control() *plan.Control {
	t := controlRun(1, 1)
	return &plan.Control{Settings: t.Settings, Load: t.Load}
}

// controlRun returns trial n, of the control, on a machine with this speed.
func controlRun(n int, speed float64) trial.Trial {
	t := precise(n, speed, 1/speed)
	t.Role, t.Settings.Workers = trial.RoleControl, 9
	t.Verdict.ValueMS, t.Verdict.LowMS, t.Verdict.HighMS = t.Latency.P99.Value, t.Latency.P99.Low, t.Latency.P99.High
	return t
}

// shard writes shard i of n, with a control before and after two trials, a choice, a line of an unknown kind, and, if
// end is set, an end line.
func shard(t *testing.T, dir string, i, n int, end bool) string {
	t.Helper()
	h := header(fmt.Sprintf("2026112%dT091500Z-7f3a", i))
	h.Created = at.Add(time.Duration(-i) * time.Hour) // the shard with the higher number was created first
	h.Shard, h.Grid, h.Control = &plan.Shard{Index: i, Count: n}, &plan.Grid{Points: 5}, control()
	path := profiles.Path(dir, h.ID)
	w, err := profiles.Create(path, h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	second := precise(4, float64(i), 1)
	second.Settings.Workers = 4 + i
	first := sampleTrial(3)
	first.Verdict.Result = trial.Fail
	steps := []error{
		w.Probe(trial.Probe{N: 1, BatchSize: i}), w.Trial(controlRun(2, 1)), w.Trial(first), w.Trial(second), w.Trial(controlRun(5, 1)),
		w.Choice(trial.Choice{N: 4, By: "strategy", Settings: second.Settings, Why: trial.Explanation{Limit: "execution", RunnersUp: []int{3}}}),
	}
	if end {
		steps = append(steps, w.End(profiles.Done, 0))
	}
	if err := errors.Join(append(steps, w.Close())...); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, `{"t":"mood", "value":"good","n":7}`+"\n")
	if err := profiles.Annotate(path, at, profiles.Annotation{Tag: []string{fmt.Sprint("shard", i)}}); err != nil {
		t.Fatal(err)
	}
	return path
}

func merge(t *testing.T, paths []string, force bool) (*profiles.Profile, error) {
	t.Helper()
	var parts []*profiles.Profile
	for _, p := range paths {
		parts = append(parts, read(t, p))
	}
	out := profiles.Path(t.TempDir(), "merged")
	_, err := profiles.Merge(out, parts, profiles.MergeOptions{ID: "20261130T091500Z-0001", At: at, Tool: "sweetspot 0.1.0", Force: force})
	if err != nil {
		if _, there := os.Stat(out); there == nil {
			t.Error("a failed merge left a file")
		}
		return nil, err
	}
	return read(t, out), nil
}

// The list says which shard a profile is, and which one was merged from shards.
func TestListOfShards(t *testing.T) {
	dir := newDir(t)
	one := shard(t, dir, 1, 2, true)
	whole, err := merge(t, []string{one, shard(t, dir, 2, 2, true)}, false)
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]profiles.Summary{"shard 1/2": read(t, one).Summary(), "merged": whole.Summary()} {
		var b strings.Builder
		if err := profiles.WriteList(&b, []profiles.Summary{s}, profiles.Style{}); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%v\n%s, want %q", err, b.String(), want)
		}
	}
}

func TestMerge(t *testing.T) {
	dir := newDir(t)
	p, err := merge(t, []string{shard(t, dir, 1, 2, true), shard(t, dir, 2, 2, true)}, false)
	if err != nil {
		t.Fatal(err)
	}
	h := p.Header
	if h.ID != "20261130T091500Z-0001" || h.Shard != nil || h.PlanHash != "sha256:00" || h.Machine.Class != read(t, profiles.Path(dir, "20261121T091500Z-7f3a")).Header.Machine.Class {
		t.Errorf("header = %+v", h)
	}
	var got []string
	for _, l := range p.Lines {
		got = append(got, l.Kind)
	}
	part := "event probe trial trial trial trial choice mood event "
	if diff := cmp.Diff("header "+part+part+"choice end", strings.Join(got, " ")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	got = nil
	for _, r := range p.Trials {
		got = append(got, fmt.Sprintf("%d: %d workers", r.N, r.Settings.Workers))
	}
	if diff := cmp.Diff([]string{"1: 9 workers", "2: 3 workers", "3: 6 workers", "4: 9 workers", "5: 9 workers", "6: 3 workers", "7: 5 workers", "8: 9 workers"}, got); diff != "" {
		t.Errorf("trials (-want +got):\n%s", diff)
	}
	if want := "trials 1-4 are 2-5 of 20261122T091500Z-7f3a, done, shard 2/2"; p.Events[0].What != "merged" || p.Events[0].Detail != want {
		t.Errorf("event = %+v, want %q", p.Events[0], want)
	}
	if p.Probes[1].N != 2 || p.Probes[1].BatchSize != 1 || p.Choices[1].N != 7 || p.Choices[1].Why.RunnersUp[0] != 6 || p.Choices[1].Why.Limit != "execution" {
		t.Errorf("probe %+v, choice %+v: the numbers were not changed", p.Probes[1], p.Choices[1])
	}
	c, _ := p.Choice()
	if c.N != 3 || c.By != "merge" || c.Settings.Workers != 6 || c.Why.RunnersUp[0] != 7 || c.Why.Headroom.Text(2) != "0.59" {
		t.Errorf("choice = %+v, want the shard with more throughput", c)
	}
	if diff := cmp.Diff([]string{"shard1", "shard2"}, p.Tags()); diff != "" || p.State() != profiles.Done || p.End.Trials != 8 || *p.End.Choice != 3 || p.End.Exit != 0 {
		t.Errorf("state %s, end %+v, tags (-want +got):\n%s", p.State(), p.End, diff)
	}
	for _, l := range p.Lines {
		if want := `{"t":"mood","value":"good","n":7}`; l.Kind == "mood" && string(l.Raw) != want {
			t.Errorf("unknown line = %s, want %s", l.Raw, want)
		}
	}
}

func TestMergeResumed(t *testing.T) {
	dir := newDir(t)
	first := shard(t, dir, 2, 2, false)
	complete, err := merge(t, []string{first, shard(t, dir, 1, 2, true)}, false)
	if err != nil || complete.State() != profiles.Stopped || complete.End.Exit != 0 {
		t.Errorf("an interrupted shard: %v, %v", complete.End, err)
	}
	h := header("20261125T000000Z-aaaa")
	id := "20261122T091500Z-7f3a"
	h.Resumes, h.Shard, h.Grid, h.Control = &id, &plan.Shard{Index: 2, Count: 2}, &plan.Grid{Points: 5}, control()
	w, err := profiles.Create(profiles.Path(dir, h.ID), h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Trial(sampleTrial(5)), w.End(profiles.Done, 0), w.Close()); err != nil {
		t.Fatal(err)
	}
	resumed, err := merge(t, []string{profiles.Path(dir, h.ID), first}, false)
	if err != nil || len(resumed.Trials) != 5 || resumed.State() != profiles.Stopped || resumed.Events[len(resumed.Events)-1].Detail != "1 of 2 shards; missing: 1/2" {
		t.Fatalf("resumed, with a shard missing: %+v, %v", resumed.Events, err)
	}
	all, err := merge(t, []string{profiles.Path(dir, h.ID), first, profiles.Path(dir, "20261121T091500Z-7f3a")}, false)
	if err != nil || all.State() != profiles.Done || len(all.Trials) != 9 {
		t.Errorf("resumed and all shards: %v, %v", all.State(), err)
	}
}

func TestMergeRefusals(t *testing.T) {
	dir := newDir(t)
	a := shard(t, dir, 1, 2, true)
	if _, err := merge(t, []string{a}, true); err == nil || !strings.Contains(err.Error(), "two profiles or more") {
		t.Errorf("one part: %v", err)
	}
	if _, err := merge(t, []string{a, a}, true); err == nil || !strings.Contains(err.Error(), "is given twice") {
		t.Errorf("the same one twice: %v", err)
	}
	h := header("b")
	h.Machine.Cores, h.PlanHash = 64, "sha256:11"
	h.Plan = []byte(`{"model":"builtin:mlp","seed":18446744073709551615}`)
	h.Shard = &plan.Shard{Index: 1, Count: 3}
	w, err := profiles.Create(profiles.Path(dir, h.ID), h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	paths := []string{a, profiles.Path(dir, h.ID)}
	_, err = merge(t, paths, false)
	for _, want := range []string{"cores: 64 and 2", `another plan than 20261121T091500Z-7f3a: model: "builtin:mlp-wide" and "builtin:mlp"`, "still being written", "shard 1/3 and shard 1/2 of 20261121T091500Z-7f3a", "--force merges them anyway"} {
		if !errors.Is(err, profiles.ErrNotComparable) || !strings.Contains(err.Error(), strings.ReplaceAll(want, "64 and 2", "2 and 64")) {
			t.Errorf("Merge = %v, want %q", err, want)
		}
	}
	p, err := merge(t, paths, true)
	if err != nil || p.Events[0].Detail != "unlike parts: b: cores: 2 and 64" || p.State() != profiles.Stopped {
		t.Errorf("forced: %+v, %v", p, err)
	}
	out := profiles.Path(dir, "x")
	if err := os.WriteFile(out, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := profiles.Merge(out, []*profiles.Profile{read(t, a), p}, profiles.MergeOptions{ID: "x", Force: true}); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("over another file: %v", err)
	}
}
