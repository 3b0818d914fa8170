package control_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
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

// approximate is a doubler whose fp16 is wrong by a tenth.
type approximate struct {
	doubler
	half bool
}

func (a approximate) Open(_ context.Context, _ *engine.Model, c knob.Config) (engine.Session, error) {
	return approximate{half: c.Precision == knob.HalfPrecision}, nil
}

func (a approximate) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		v := float32(1)
		if a.half {
			v = .9
		}
		out[i].Outputs = tensor.Item{{Type: tensor.Float32, Shape: []int64{1}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))}}
	}
	return nil
}

func (a approximate) ConversionReport() (int64, string) { return 5, "slower" }

func TestPrecision(t *testing.T) {
	const path = "/engine/v1/models/m/precision"
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"approximate": approximate{}, "doubler": doubler{}}, Cores: 4})
	defer func() { _ = e.Close(context.Background()) }()
	x := []tensor.Spec{{Name: "x", Type: tensor.Int64, Shape: []int64{1}}}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	for _, m := range []*engine.Model{
		{Name: "m", Backend: "approximate", BatchAxis: true, Inputs: x, Outputs: x},
		{Name: "n", Backend: "doubler", BatchAxis: true, Inputs: x, Outputs: x},
	} {
		if err := e.Load(t.Context(), m, c); err != nil {
			t.Fatal(err)
		}
	}
	h := control.New(e, control.Host{})
	got := decode[control.Agreement](t, do(t.Context(), h, "POST", path, ""))
	if got.Samples != 16 || got.Agree != 0 || got.Largest == nil || math.Abs(*got.Largest-.1) > 1e-6 || got.Clipped != 5 || got.Note != "slower" {
		t.Errorf("precision = %+v", got)
	}
	w := do(t.Context(), h, "POST", "/engine/v1/models/n/precision", "")
	if e := decode[wire.Error](t, w); w.Code != 500 || e.Message != "compare fp16 with fp32: open fp16: no fp16 here" {
		t.Errorf("a model without fp16: %d %q", w.Code, e.Message)
	}
}
