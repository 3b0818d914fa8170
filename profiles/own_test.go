package profiles_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// foreign is a trial of a server that tells none of the seven and has two knobs of its
// own.
func foreign(n int, own knob.OwnValues, rps float64) trial.Trial {
	t := tight(n, rps, 1)
	t.Settings, t.Model = knob.Settings{Own: own}, trial.ModelLatencies{}
	return t
}

// far is a profile measured on a server elsewhere, written and read.
func far(t *testing.T, id string, trials ...trial.Trial) *profiles.Profile {
	t.Helper()
	h := header(id)
	h.Machine = profiles.RemoteMachine("gpu-box.example:8000")
	h.Model = profiles.Model{Name: "cat", Source: "remote"}
	path := profiles.Path(in(t), id)
	w, err := profiles.Create(path, h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range trials {
		if err := w.Trial(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(profiles.Done, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return read(t, path)
}

// TestOwnKnobsInAProfile: what a target brings is in the lines as it was, in the table
// as columns, and what it does not tell is n/a.
func TestOwnKnobsInAProfile(t *testing.T) {
	want := []trial.Trial{foreign(1, "instances=1 max_batch_size=8", 1), foreign(2, "instances=2 max_batch_size=32 mode=a", 2)}
	p := far(t, "20261122T091500Z-7f3a", want...)
	for i, r := range p.Trials {
		if r.Settings != want[i].Settings {
			t.Errorf("trial %d has %+v, want %+v", r.N, r.Settings, want[i].Settings)
		}
	}
	if raw := string(p.Lines[2].Raw); !strings.Contains(raw, `"queue_size":0,"instances":2,"max_batch_size":32,"mode":"a"}`) {
		t.Errorf("line: %s", raw)
	}
	var b bytes.Buffer
	if err := profiles.WriteShow(&b, p, profiles.Style{}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"workers  batch  delay ms  precision  device  instances  max_batch_size  mode  load", "    n/a    n/a       n/a  n/a        n/a             1               8   n/a  concurrency 10", "machine   remote "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, name := range []string{"gpu-box", "Test CPU", "8000"} {
		if strings.Contains(text, name) || bytes.Contains(p.Lines[0].Raw, []byte(name)) {
			t.Errorf("the profile tells %q", name)
		}
	}
}

// TestOwnKnobsCompared: trials of equal values are compared, and the values that
// differ are shown.
func TestOwnKnobsCompared(t *testing.T) {
	slow, fast := knob.OwnValues("instances=1 max_batch_size=1"), knob.OwnValues("instances=1 max_batch_size=8")
	a := far(t, "a", foreign(1, slow, 1), foreign(2, fast, 2))
	b := far(t, "b", foreign(1, fast, 1.5), foreign(2, slow, 1))
	c, err := profiles.Compare(a, b, profiles.CompareOptions{Tolerance: .05})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Pairs) != 2 || c.Outcome != profiles.Regression || !strings.Contains(c.Why, "throughput is 25% lower") {
		t.Fatalf("%d pairs, %v: %s", len(c.Pairs), c.Outcome, c.Why)
	}
	var text bytes.Buffer
	if err := profiles.WriteComparison(&text, c, profiles.Style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"settings  instances 1\n", "max_batch_size 1 ", "max_batch_size 8 "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "workers") {
		t.Errorf("what nobody told is compared:\n%s", text.String())
	}
	elsewhere := far(t, "c", foreign(1, fast, 1))
	elsewhere.Header.Machine = profiles.RemoteMachine("another-box:1").Complete()
	if _, err := profiles.Compare(a, elsewhere, profiles.CompareOptions{}); err == nil || !strings.Contains(err.Error(), "remote machine: ") {
		t.Errorf("profiles of two servers: %v", err)
	}
}

// Every profile of before reads as before.
func TestNothingOfItsOwn(t *testing.T) {
	old := read(t, "testdata/v1.jsonl")
	for _, r := range old.Trials {
		if r.Settings.Own != "" {
			t.Errorf("trial %d: %+v", r.N, r.Settings)
		}
	}
}

// TestPredictOfOwnKnobs: the simulator knows nothing of a server that tells neither
// workers nor batches.
func TestPredictOfOwnKnobs(t *testing.T) {
	p := far(t, "20261122T091500Z-7f3a", foreign(1, "instances=1", 1))
	if _, err := profiles.Predict(p, 50); err == nil || !strings.Contains(err.Error(), "nothing to predict from") {
		t.Errorf("Predict = %v", err)
	}
	if a, b := profiles.KeyOf(knob.Settings{Workers: 1, Own: "x=1"}), profiles.KeyOf(knob.Settings{Workers: 1, Own: "x=2"}); cmp.Equal(a, b) {
		t.Error("two values of an own knob share service times")
	}
}
