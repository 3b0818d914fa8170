package profiles_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

func sampleOperators() trial.Operators {
	return trial.Operators{
		At: at, Settings: sampleTrial(2).Settings, Options: knob.Options{Rule: knob.TorchServe},
		Runs: 99, BatchSize: 8, RunMS: trial.NumOf(4.02),
		Operators: []trial.Operator{
			{Name: "Gemm", Share: .75, MS: trial.NumOf(3.015), Calls: 3},
			{Name: "FusedGemm", Share: .125, MS: trial.NumOf(.5), Calls: 1},
			{Name: "Relu", Share: .05, MS: trial.NumOf(.2), Calls: 3},
			{Name: "Add", Share: .03, MS: trial.NumOf(.12), Calls: 1},
			{Name: "Cast", Share: .025, MS: trial.NumOf(.1), Calls: 2},
			{Name: "Shape", Share: .02, MS: trial.NumOf(.08), Calls: 1},
		},
	}
}

// TestOperators: times of operators and bare rates are written, read and shown.
func TestOperators(t *testing.T) {
	const id = "20261122T091500Z-0b5e"
	path := profiles.Path(newDir(t), id)
	w, err := profiles.Create(path, header(id), profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	served := sampleTrial(1)
	served.BareRPS = trial.NumOf(1002)
	late := sampleOperators()
	late.At = at.Add(1500 * time.Microsecond)
	for _, err := range []error{w.Trial(served), w.Operators(late), w.Trial(sampleTrial(2)), w.End(profiles.Done, 0), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := read(t, path)
	want := sampleOperators()
	want.At = at.Add(time.Millisecond)
	if diff := cmp.Diff([]trial.Operators{want}, p.Operators, cmp.AllowUnexported(trial.Num{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	var text, object bytes.Buffer
	if err := profiles.WriteShow(&text, p, profiles.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := profiles.WriteShowJSON(&object, p); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"operators 2 workers, batch 8, delay 10 ms, fp32, cpu, 1 thread: 4.02 ms a run of batch 8, 99 runs, " +
			"Gemm 75%, FusedGemm 12%, Relu 5%, Add 3%, Cast 2%, 1 more\n",
		"  of bare  verdict", " 50%  pass", "  -  pass",
	} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("show has no %q:\n%s", part, &text)
		}
	}
	if !strings.Contains(object.String(), `"operators": [`+"\n    {\n"+`      "t": "operators"`) {
		t.Errorf("show as JSON has no operators:\n%s", &object)
	}
}
