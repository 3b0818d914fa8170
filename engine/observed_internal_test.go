package engine

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// TestObserve: the time outside of the queue is added to that of decoding and of encoding, each to its
// own.
func TestObserve(t *testing.T) {
	s := &ModelService{}
	s.Observe(2*time.Millisecond, 3*time.Millisecond)
	s.Observe(10*time.Millisecond, 20*time.Millisecond)
	if decode, encode := time.Duration(s.decoding.Load()), time.Duration(s.encoding.Load()); decode != 12*time.Millisecond || encode != 23*time.Millisecond {
		t.Errorf("decoding %v, encoding %v", decode, encode)
	}
}

func TestAgreementAll(t *testing.T) {
	for a, want := range map[Agreement]bool{{}: true, {Samples: 3, Agree: 3}: true, {Samples: 3, Agree: 2}: false} {
		if got := a.All(); got != want {
			t.Errorf("%+v: All = %t", a, got)
		}
	}
}

// TestSampleRows: random rows have one side input together, so that they are one run; samples are used in
// turn and stay as they are.
func TestSampleRows(t *testing.T) {
	spec := func(name string) tensor.Spec { return tensor.Spec{Name: name, Type: tensor.Float32, Shape: []int64{4}} }
	m := &Model{Inputs: []tensor.Spec{spec("x"), spec("side")}, Unbatched: []string{"side"}, BatchAxis: true}
	rows := sampleRows(m, 3, 1)
	for i, r := range rows[1:] {
		if bytes.Equal(r.Item[0].Data, rows[0].Item[0].Data) || !bytes.Equal(r.Item[1].Data, rows[0].Item[1].Data) {
			t.Errorf("row %d: its inputs are %v after %v", i+1, r.Item, rows[0].Item)
		}
	}
	item := func(b byte) payload.Row {
		t := func() tensor.Tensor { return tensor.Tensor{Type: tensor.Int8, Shape: []int64{1}, Data: []byte{b}} }
		return payload.Row{Item: tensor.Item{t(), t()}}
	}
	m.Samples = []payload.Row{item(1), item(2)}
	for i, r := range sampleRows(m, 5, 1) {
		if want := byte(1 + i%2); r.Item[0].Data[0] != want || r.Item[1].Data[0] != want {
			t.Errorf("row %d is %v, want the sample of %d", i, r.Item, want)
		}
	}
	// A single sample is no reason to change it.
	m.Samples = m.Samples[:1]
	if r := sampleRows(m, 2, 1); r[1].Item[1].Data[0] != 1 {
		t.Errorf("a single sample became %v", r[1].Item)
	}
}

// TestLoadError: the reason why a model could not be loaded is what people see.
func TestLoadError(t *testing.T) {
	reason := errors.New("no memory")
	s := &ModelService{loadErr: reason, loaded: make(chan struct{})}
	if err := s.LoadError(); err != nil {
		t.Errorf("while it loads: %v", err)
	}
	close(s.loaded)
	if err := s.LoadError(); !errors.Is(err, reason) {
		t.Errorf("LoadError = %v, want %v", err, reason)
	}
}
