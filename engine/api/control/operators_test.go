package control_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

// profiled is a doubler that reports the times of its operators, up to 150 runs.
type profiled struct{ doubler }

func (profiled) Operators(_ context.Context, _ *engine.Model, c knob.Config, runs int) (engine.OperatorProfile, error) {
	if runs > 150 {
		return engine.OperatorProfile{}, errors.New("out of paper")
	}
	return engine.OperatorProfile{Runs: runs, Batch: c.BatchSize, PerRun: 4 * time.Millisecond, Operators: []engine.OperatorTime{
		{Name: "Conv", Calls: 20, PerRun: 3 * time.Millisecond, Share: .75}, {Name: "Relu", Calls: 17, PerRun: time.Millisecond, Share: .25},
	}}, nil
}

func TestOperators(t *testing.T) {
	const path = "/engine/v1/models/m/operators"
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"profiled": profiled{}}, Cores: 4})
	defer func() { _ = e.Close(context.Background()) }()
	x := []tensor.Spec{{Name: "x", Type: tensor.Int64, Shape: []int64{1}}}
	m := &engine.Model{Name: "m", Backend: "profiled", BatchAxis: true, Inputs: x, Outputs: x}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	c.BatchSize = 8
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	h := control.New(e, control.Host{})
	for body, runs := range map[string]int{"": 100, " ": 100, "{}": 100, `{"runs":7}`: 7} {
		got := decode[control.Operators](t, do(t.Context(), h, "POST", path, body))
		want := control.Operators{Runs: runs, BatchSize: 8, RunMS: 4, Operators: []control.Operator{
			{Name: "Conv", Share: .75, MS: 3, Calls: 20}, {Name: "Relu", Share: .25, MS: 1, Calls: 17},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: -want +got\n%s", body, diff)
		}
	}
	for _, tt := range []struct {
		path, body string
		code       int
		want       string
	}{
		{path, `{"runs":0}`, 400, "runs: 0 is outside 1-200"},
		{path, `{"runs":201}`, 400, "runs: 201 is outside 1-200"},
		{path, `{"run":1}`, 400, `the body is not {"runs": 100}: json: unknown field "run"`},
		{path, `7`, 400, `the body is not {"runs": 100}: json: cannot unmarshal number into Go value of type control.profileRequest`},
		{path, `{"runs":151}`, 500, "operators: out of paper"},
		{"/engine/v1/models/n/operators", "", 404, "Model not found: n"},
	} {
		w := do(t.Context(), h, "POST", tt.path, tt.body)
		if e := decode[wire.Error](t, w); w.Code != tt.code || e.Message != tt.want {
			t.Errorf("%s: %d %q, want %d %q", tt.body, w.Code, e.Message, tt.code, tt.want)
		}
	}
	if w := do(t.Context(), h, "GET", path, ""); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
}
