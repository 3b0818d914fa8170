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

// remoteTrial returns a trial of a server that reports no common knob and has own knobs.
func remoteTrial(n int, own knob.OwnValues, rps float64) trial.Trial {
	t := precise(n, rps, 1)
	t.Settings, t.Options, t.Model = knob.Settings{Own: own}, knob.Options{}, trial.ModelLatencies{}
	return t
}

// remoteProfile writes and reads a profile of a remote server.
func remoteProfile(t *testing.T, id string, trials ...trial.Trial) *profiles.Profile {
	t.Helper()
	h := header(id)
	h.Machine = profiles.RemoteMachine("gpu-box.example:8000")
	h.Model = profiles.Model{Name: "cat", Source: "remote"}
	path := profiles.Path(newDir(t), id)
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

// TestOwnKnobsInAProfile: own knobs are unchanged in the lines and are columns of the table.
// Common knobs that the target does not report are n/a.
func TestOwnKnobsInAProfile(t *testing.T) {
	want := []trial.Trial{remoteTrial(1, "instances=1 max_batch_size=8", 1), remoteTrial(2, "instances=2 max_batch_size=32 mode=a", 2)}
	p := remoteProfile(t, "20261122T091500Z-7f3a", want...)
	for i, r := range p.Trials {
		if r.Settings != want[i].Settings {
			t.Errorf("trial %d has %+v, want %+v", r.N, r.Settings, want[i].Settings)
		}
	}
	if raw := string(p.Lines[2].Raw); !strings.Contains(raw, `"settings":{"instances":2,"max_batch_size":32,"mode":"a"},"options":{},`) {
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
			t.Errorf("the profile contains %q", name)
		}
	}
}

// TestOwnKnobsCompared: trials with equal own knobs are compared, and different values are
// shown.
func TestOwnKnobsCompared(t *testing.T) {
	slow, fast := knob.OwnValues("instances=1 max_batch_size=1"), knob.OwnValues("instances=1 max_batch_size=8")
	a := remoteProfile(t, "a", remoteTrial(1, slow, 1), remoteTrial(2, fast, 2))
	b := remoteProfile(t, "b", remoteTrial(1, fast, 1.5), remoteTrial(2, slow, 1))
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
		t.Errorf("a knob that no trial knows is shown:\n%s", text.String())
	}
	other := remoteProfile(t, "c", remoteTrial(1, fast, 1))
	other.Header.Machine = profiles.RemoteMachine("another-box:1").Complete()
	if _, err := profiles.Compare(a, other, profiles.CompareOptions{}); err == nil || !strings.Contains(err.Error(), "remote machine: ") {
		t.Errorf("profiles of two servers: %v", err)
	}
}

// TestNoOwnKnobs: a profile of an earlier version has no own knobs.
func TestNoOwnKnobs(t *testing.T) {
	old := read(t, "testdata/v1.jsonl")
	for _, r := range old.Trials {
		if r.Settings.Own != "" {
			t.Errorf("trial %d: %+v", r.N, r.Settings)
		}
	}
}

// TestPredictOfOwnKnobs: a server that reports neither workers nor batches cannot be
// simulated.
func TestPredictOfOwnKnobs(t *testing.T) {
	p := remoteProfile(t, "20261122T091500Z-7f3a", remoteTrial(1, "instances=1", 1))
	if _, err := profiles.Predict(p, 50); err == nil || !strings.Contains(err.Error(), "nothing can be simulated") {
		t.Errorf("Predict = %v", err)
	}
	if a, b := profiles.CurveKeyOf(knob.Settings{Workers: 1, Own: "x=1"}), profiles.CurveKeyOf(knob.Settings{Workers: 1, Own: "x=2"}); cmp.Equal(a, b) {
		t.Error("two values of an own knob have the same service times")
	}
}
