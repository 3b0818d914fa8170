package profiles_test

import (
	"bytes"
	"encoding/json"
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

// TestNothingIsClaimed: the lines of a server that reports nothing about itself have no value that
// nobody knows: no rule, no precision, no cores, no list of GPUs, no hash and no batch axis.
func TestNothingIsClaimed(t *testing.T) {
	p := remoteProfile(t, "20261122T091500Z-7f3a", remoteTrial(1, "instances=1", 1))
	header := string(p.Lines[0].Raw)
	for _, name := range []string{"cores", "gpus", `"os"`, `"arch"`, `"cpu"`} {
		if strings.Contains(header, name) {
			t.Errorf("the header has %s: %s", name, header)
		}
	}
	if line := string(p.Lines[1].Raw); !strings.Contains(line, `"settings":{"instances":1},"options":{},`) {
		t.Errorf("trial: %s", line)
	}
	silent, err := json.Marshal(profiles.Model{Name: "cat", Source: "remote"})
	if want := `{"name":"cat","source":"remote"}`; err != nil || string(silent) != want {
		t.Errorf("model %s, %v; want %s", silent, err, want)
	}
	if local := (profiles.Machine{CPU: "x"}).Complete(); local.GPUs == nil {
		t.Error("the GPUs of the local machine are not known")
	}
}

// TestModelsWithoutHash: models without a hash are the same if they have the same name; a model with
// one and a model without one may differ.
func TestModelsWithoutHash(t *testing.T) {
	of := func(name, hash string) profiles.Header {
		h := header("a")
		h.Model.Name, h.Model.SHA256 = name, hash
		h.Machine = h.Machine.Complete()
		return h
	}
	for _, c := range []struct {
		a, b profiles.Header
		want string // of the error; "" is none
	}{
		{of("cat", ""), of("cat", ""), ""},
		{of("cat", ""), of("dog", ""), "measured another model (cat, this is dog)"},
		{of("cat", ""), of("cat", "12"), "measured another model of that name (sha256 none, this is 12)"},
		{of("cat", "12"), of("dog", "12"), ""},
	} {
		err := c.a.CheckComparable(c.b.Model, c.b.Machine)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q and %s %q: %v, want %s", c.a.Model.Name, c.a.Model.SHA256, c.b.Model.Name, c.b.Model.SHA256, err, c.want)
		}
		if (profiles.CheckModel(c.b.Model, c.a) == nil) != (c.want == "") {
			t.Errorf("CheckModel of %s and %s", c.a.Model.Name, c.b.Model.Name)
		}
	}
	a, b := profileOf("a", precise(1, 1, 1)), profileOf("b", precise(1, 1, 1))
	a.Header.Model.SHA256 = ""
	if _, err := profiles.Compare(a, b, profiles.CompareOptions{}); err == nil || !strings.Contains(err.Error(), "it is not known whether") {
		t.Errorf("a profile with a hash and one without: %v", err)
	}
}
