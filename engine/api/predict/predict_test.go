package predict_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// echo is a backend that returns its inputs.
type echo struct{}

func (echo) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return echo{}, nil
}

func (echo) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		out[i].Outputs = in[i].Item
	}
	return nil
}
func (echo) Shared() bool { return true }
func (echo) Close() error { return nil }

func config(queue int) knob.Config {
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	c.QueueSize = queue
	return c
}

func tensors(version string) *engine.Model {
	x := []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{2}}}
	return &engine.Model{Name: "m", Version: version, Backend: "echo", BatchAxis: true, Inputs: x, Outputs: x}
}

// load makes an engine with two versions of a model of tensors and a model of bytes.
func load(t testing.TB, b *enginetest.Backend) (*engine.Engine, *predict.Predictor) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"echo": echo{}, enginetest.Name: b}, Cores: 2})
	for _, m := range []*engine.Model{tensors("1.0"), tensors("2.0"), enginetest.Model("words")} {
		if err := e.Load(t.Context(), m, config(1)); err != nil {
			t.Fatal(err)
		}
	}
	return e, predict.New(e)
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := load(t, &enginetest.Backend{OnRun: func(int) { time.Sleep(time.Second) }})
		for _, tt := range []struct {
			name, model, version, accept, media, body string
			limit                                     time.Duration
			kind                                      predict.Kind
			text                                      string
		}{
			{"no model", "n", "", "", "", "[1,2]", 0, predict.UnknownModel, "served here: m, words"},
			{"no version", "m", "3.0", "", "", "[1,2]", 0, predict.UnknownVersion, "its versions are 1.0, 2.0"},
			{"an image accepted", "m", "", "image/png", "", "[1,2]", 0, predict.NotAcceptable, "accept"},
			{"a wrong body", "m", "2.0", "", "application/json", "[1]", 0, predict.BadInput, `input "x"`},
			{"a model that fails", "words", "", "", "", "fail", 0, predict.Failed, "the row failed"},
			{"too late", "words", "", "", "", "late", time.Millisecond, predict.Expired, "expired"},
		} {
			var p predict.Prediction
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(tt.limit, time.Hour))
			err := s.Begin(&p, tt.model, tt.version, tt.accept)
			if err == nil {
				_, _, err = p.Run(ctx, payload.Body{Type: tt.media, Data: []byte(tt.body)}, predict.Options{})
			}
			cancel()
			if e, ok := errors.AsType[*predict.Error](err); !ok || e.Kind != tt.kind || !strings.Contains(e.Message, tt.text) {
				t.Errorf("%s: %v, want kind %d with %q", tt.name, err, tt.kind, tt.text)
			}
		}
		time.Sleep(time.Minute)
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An answer that JSON cannot have is there as bytes.
func TestTextsThatAreNotUTF8(t *testing.T) {
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"echo": echo{}}, Cores: 1})
	defer func() { _ = e.Close(context.WithoutCancel(t.Context())) }()
	one := []tensor.Spec{{Name: "s", Type: tensor.String, Shape: []int64{1}}}
	if err := e.Load(t.Context(), &engine.Model{Name: "m", Version: "1.0", Backend: "echo", BatchAxis: true, Inputs: one, Outputs: one}, config(1)); err != nil {
		t.Fatal(err)
	}
	s, body := predict.New(e), payload.Body{Type: "application/octet-stream", Data: tensor.JoinTexts([]string{"a\xff"})}
	for accept, kind := range map[string]predict.Kind{"": predict.NotAcceptable, "application/octet-stream": 0} {
		var p predict.Prediction
		if err := s.Begin(&p, "m", "", accept); err != nil {
			t.Fatal(err)
		}
		r, reusable, err := p.Run(t.Context(), body, predict.Options{})
		e, failed := errors.AsType[*predict.Error](err)
		if !reusable || failed && e.Kind != kind || failed == (kind == 0) || !failed && string(r.Body) != string(body.Data) {
			t.Errorf("accepting %q: %q, %v", accept, r.Body, err)
		}
	}
}

// adder is a backend that fails if its inputs have different sizes, unless the first is small.
type adder struct{ echo }

func (adder) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return adder{}, nil
}

func (adder) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	for _, r := range in {
		a, b := r.Item[0].Shape[0], r.Item[1].Shape[0]
		if a != b && a > 2 || b == 9 {
			return errors.New("no broadcast")
		}
	}
	return echo{}.Run(ctx, in, out)
}

// A model that fails with sizes of one name that differ is not to blame; a model that takes them
// is not disturbed.
func TestSizesOfOneName(t *testing.T) {
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"adder": adder{}}, Cores: 1})
	defer func() { _ = e.Close(context.WithoutCancel(t.Context())) }()
	in := func(name string) tensor.Spec {
		return tensor.Spec{Name: name, Type: tensor.Float32, Shape: []int64{-1}, Dims: []string{"L"}}
	}
	both := []tensor.Spec{in("a"), in("b")}
	if err := e.Load(t.Context(), &engine.Model{Name: "m", Version: "1.0", Backend: "adder", BatchAxis: true, Inputs: both, Outputs: both}, config(1)); err != nil {
		t.Fatal(err)
	}
	s := predict.New(e)
	for _, tt := range []struct {
		body string
		kind predict.Kind
		want string // "" is an answer
	}{
		{`{"a":[1,2,3],"b":[1,2,3]}`, 0, ""},
		{`{"a":[1],"b":[1,2,3]}`, 0, ""},
		{`{"a":[1,2,3],"b":[1,2]}`, predict.BadInput, `the dimension "L" has the size 3 in the input "a" and 2 in the input "b", and the model fails with that: no broadcast`},
		{`{"a":[1,2,3,4,5,6,7,8,9],"b":[1,2,3,4,5,6,7,8,9]}`, predict.Failed, "Prediction failed: no broadcast"},
	} {
		var p predict.Prediction
		err := s.Begin(&p, "m", "", "")
		if err == nil {
			_, _, err = p.Run(t.Context(), payload.Body{Type: "application/json", Data: []byte(tt.body)}, predict.Options{})
		}
		if e, ok := errors.AsType[*predict.Error](err); ok != (tt.want != "") || ok && (e.Kind != tt.kind || e.Message != tt.want) {
			t.Errorf("%s: %v, want kind %d with %q", tt.body, err, tt.kind, tt.want)
		}
	}
}

// In a padded model, sizes of one name are equal before it runs: in a batch they would become so,
// and alone not.
func TestSizesOfPaddedInputs(t *testing.T) {
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"echo": echo{}}, Cores: 1})
	defer func() { _ = e.Close(context.WithoutCancel(t.Context())) }()
	in := func(name, dim string) tensor.Spec {
		return tensor.Spec{Name: name, Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{dim}}
	}
	inputs := []tensor.Spec{in("ids", "L"), in("mask", "L"), in("a", "K"), in("b", "K")}
	m := &engine.Model{
		Name: "m", Version: "1.0", Backend: "echo", BatchAxis: true, Inputs: inputs, Outputs: inputs,
		Padding: &runs.Padding{Fills: []runs.Fill{{Pad: true}, {Pad: true}, {}, {}}},
	}
	if err := e.Load(t.Context(), m, config(1)); err != nil {
		t.Fatal(err)
	}
	s := predict.New(e)
	for body, want := range map[string]string{
		`{"ids":[1,2],"mask":[1,1],"a":[1],"b":[1,2]}`: "",
		`{"ids":[1,2],"mask":[1],"a":[1],"b":[1]}`:     `the dimension "L" has the size 2 in the input "ids" and 1 in the input "mask"; they are padded together, so send one size`,
	} {
		var p predict.Prediction
		err := s.Begin(&p, "m", "", "")
		if err == nil {
			_, _, err = p.Run(t.Context(), payload.Body{Type: "application/json", Data: []byte(body)}, predict.Options{})
		}
		if e, ok := errors.AsType[*predict.Error](err); ok != (want != "") || ok && (e.Kind != predict.BadInput || e.Message != want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

// A full queue refuses a request before its body is decoded, even if the body is invalid.
func TestFullQueueRefusesBeforeDecoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		b := &enginetest.Backend{}
		e, s := load(t, b)
		b.OnRun = func(int) { <-gate }
		for range 2 { // one in the worker, one in the queue
			go func() {
				var p predict.Prediction
				if err := s.Begin(&p, "words", "", ""); err != nil {
					t.Error(err)
				}
				if r, _, err := p.Run(t.Context(), payload.Body{Data: []byte("a")}, predict.Options{}); err != nil || string(r.Body) != "A" {
					t.Errorf("Run = %+v, %v", r, err)
				}
			}()
			synctest.Wait()
		}
		var p predict.Prediction
		if err := s.Begin(&p, "words", "", ""); err != nil {
			t.Fatal(err)
		}
		_, reusable, err := p.Run(t.Context(), payload.Body{Type: "multipart/form-data; boundary=x", Data: []byte("--x")}, predict.Options{})
		if e, ok := errors.AsType[*predict.Error](err); !ok || e.Kind != predict.Busy || !reusable {
			t.Errorf("Run = %v, reusable %v", err, reusable)
		}
		close(gate)
		synctest.Wait()
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A prediction of tensors allocates only its item.
func TestAllocations(t *testing.T) {
	e, s := load(t, &enginetest.Backend{})
	defer func() { _ = e.Close(context.WithoutCancel(t.Context())) }()
	var p predict.Prediction
	body := payload.Body{Type: "application/octet-stream", Data: make([]byte, 8)}
	if n := testing.AllocsPerRun(200, func() {
		if err := s.Begin(&p, "m", "", "application/octet-stream"); err != nil {
			t.Fatal(err)
		}
		if r, _, err := p.Run(t.Context(), body, predict.Options{}); err != nil || len(r.Body) != 8 {
			t.Fatal(r, err)
		}
	}); n > 1 {
		t.Errorf("%v allocations, want the one of the item", n)
	}
}
