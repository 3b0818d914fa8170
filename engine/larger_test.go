package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// placed is a backend whose answers are the inputs, but 9 from place right on; with a side input
// of 0 each row has the answer of the first one.
type placed struct{ right int }

func (p placed) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return placedSession{p}, nil
}

type placedSession struct{ placed }

func (placedSession) Shared() bool { return true }
func (placedSession) Close() error { return nil }

func (p placedSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		y := in[i].Item[0]
		switch {
		case len(in[i].Item) > 1 && in[i].Item[1].Data[0] == 0:
			y = in[0].Item[0]
		case i >= p.right:
			y.Data = slices.Repeat([]byte{9}, len(y.Data))
		}
		out[i].Outputs = tensor.Item{y}
	}
	return nil
}

func byteOf(v byte) tensor.Tensor {
	return tensor.Tensor{Type: tensor.Uint8, Shape: []int64{1}, Data: []byte{v}}
}

func placedModel() *engine.Model {
	spec := []tensor.Spec{{Name: "x", Type: tensor.Uint8, Shape: []int64{1}}}
	return &engine.Model{
		Name: "m", Version: "1.0", Backend: "fake", Inputs: spec, Outputs: spec, BatchAxis: true, VerifiedBatch: 3,
		Samples: payload.OfItems(tensor.Item{byteOf(1)}, tensor.Item{byteOf(2)}),
	}
}

// TestLargerBatchesAreCompared: a batch size above the one that verified the model is refused if
// the items of such a batch have other answers, at the load and when it is raised.
func TestLargerBatchesAreCompared(t *testing.T) {
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": placed{5}}, Cores: 2})
	const wrong = "batch_size: 3 of 8 items have other outputs in a batch of 8 than alone; up to"
	if err := e.Load(t.Context(), placedModel(), config(1, 8, ms)); err == nil || !strings.Contains(err.Error(), wrong) {
		t.Errorf("load: %v, want %s", err, wrong)
	}
	if err := e.Load(t.Context(), placedModel(), config(2, 2, ms)); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		size, workers int
		want          string
	}{{4, 2, ""}, {8, 2, wrong}, {5, 3, ""}, {8, 3, wrong}, {2, 1, ""}} {
		want := s.Config().Settings
		want.BatchSize, want.Workers = tc.size, tc.workers
		err := s.Apply(t.Context(), want, nil)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("batch size %d: %v, want %q", tc.size, err, tc.want)
		}
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRowsWithAMixingSideInput: a request with two rows and a value of the side input that mixes
// them has the answers that each row has alone.
func TestRowsWithAMixingSideInput(t *testing.T) {
	m := placedModel()
	m.Inputs = append(m.Inputs, tensor.Spec{Name: "mode", Type: tensor.Uint8, Shape: []int64{1}})
	m.Unbatched = []string{"mode"}
	m.SideValues = []runs.SideValue{{Values: []tensor.Tensor{byteOf(1)}}}
	m.Samples = payload.OfItems(tensor.Item{byteOf(1), byteOf(1)}, tensor.Item{byteOf(2), byteOf(1)})
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": placed{100}}, Cores: 2})
	if err := e.Load(t.Context(), m, config(1, 4, ms)); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for mode := range byte(3) {
			r := payload.Request{Items: []tensor.Item{{byteOf(5), byteOf(mode)}, {byteOf(6), byteOf(mode)}}}
			a, _, err := s.Do(t.Context(), r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if x, y := a.Items[0][0].Data[0], a.Items[1][0].Data[0]; x != 5 || y != 6 {
				t.Errorf("mode %d: %d and %d, want 5 and 6", mode, x, y)
			}
		}
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
