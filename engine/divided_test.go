package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// adder is a backend of a model with an open dimension: each output is the input plus 1. A run
// takes 1 ms and perByte for each byte of a row, and fails for rows of different shapes.
type adder struct {
	shared  bool
	perByte time.Duration
	mu      sync.Mutex
	sizes   []int // rows of each run
}

func (a *adder) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return &adderSession{a}, nil
}

type adderSession struct{ *adder }

func (a *adderSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	a.mu.Lock()
	a.sizes = append(a.sizes, len(in))
	a.mu.Unlock()
	time.Sleep(ms + time.Duration(len(in[0].Item[0].Data))*a.perByte)
	for i := range in {
		x := in[i].Item[0]
		if !slices.Equal(x.Shape, in[0].Item[0].Shape) {
			return errors.New("rows of different shapes in one run")
		}
		y := tensor.Tensor{Type: x.Type, Shape: slices.Clone(x.Shape), Data: make([]byte, len(x.Data))}
		for k := range x.Data {
			y.Data[k] = x.Data[k] + 1
		}
		out[i].Outputs = tensor.Item{y}
	}
	return nil
}

func (a *adderSession) Shared() bool { return a.shared }
func (a *adderSession) Close() error { return nil }

// bytesItem is a text of n bytes.
func bytesItem(n int, first byte) tensor.Item {
	data := make([]byte, n)
	for i := range data {
		data[i] = first + byte(i)
	}
	return tensor.Item{{Type: tensor.Uint8, Shape: []int64{int64(n)}, Data: data}}
}

func adderModel(pad *runs.Padding) *engine.Model {
	spec := []tensor.Spec{{Name: "x", Type: tensor.Uint8, Shape: []int64{-1}}}
	return &engine.Model{
		Name: "m", Version: "1.0", Backend: "fake", Inputs: spec, Outputs: spec, BatchAxis: true, Padding: pad,
		Samples: payload.OfItems(bytesItem(3, 0), bytesItem(5, 0)),
	}
}

func serveAdder(t *testing.T, a *adder, pad *runs.Padding, c knob.Config) (*engine.ModelService, func()) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": a}, Cores: 8})
	if err := e.Load(t.Context(), adderModel(pad), c); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func padX(buckets ...int64) *runs.Padding {
	return &runs.Padding{Fills: []runs.Fill{{Pad: true, Value: 7}}, Buckets: buckets, Cuts: []runs.Cut{{}}}
}

// submitText submits a text and checks its answer.
func submitText(t *testing.T, s *engine.ModelService, n int, first byte) engine.Timing {
	in := bytesItem(n, first)
	out, timing, err := s.Submit(t.Context(), in)
	if err != nil || len(out) != 1 || len(out[0].Data) != n || !slices.Equal(out[0].Shape, in[0].Shape) {
		t.Errorf("text of %d: %v, %v", n, out, err)
		return timing
	}
	for i, b := range out[0].Data {
		if b != in[0].Data[i]+1 {
			t.Errorf("text of %d: byte %d is %d, want %d", n, i, b, in[0].Data[i]+1)
			break
		}
	}
	return timing
}

// TestBatchOfTwoShapes: a batch keeps its size and its delay, its runs follow one another, and
// the model latency is the time of all of them.
func TestBatchOfTwoShapes(t *testing.T) {
	for name, tc := range map[string]struct {
		pad  *runs.Padding
		runs int
		want engine.LengthStats
	}{
		"equal shapes": {nil, 2, engine.LengthStats{Runs: 2, SplitBatches: 1, Elements: 16, Shapes: 2}},
		"longest":      {padX(), 1, engine.LengthStats{Runs: 1, Elements: 20, PaddedElements: 4, Shapes: 1}},
		"buckets":      {padX(4, 6), 2, engine.LengthStats{Runs: 2, SplitBatches: 1, Elements: 20, PaddedElements: 4, Shapes: 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &adder{}
			s, done := serveAdder(t, a, tc.pad, config(1, 4, 20*ms))
			defer done()
			warm := len(a.sizes)
			if got := *s.Stats().Lengths; got != (engine.LengthStats{}) {
				t.Errorf("%s: the warm-up counts: %+v", name, got)
			}
			var wg sync.WaitGroup
			for i, n := range []int{5, 3, 3, 5} {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Microsecond)
					timing := submitText(t, s, n, byte(10*i))
					if timing.Batch != 4 || timing.Execution != time.Duration(tc.runs)*ms {
						t.Errorf("%s: timing %+v, want a batch of 4 and %d ms", name, timing, tc.runs)
					}
				})
			}
			wg.Wait()
			st := s.Stats()
			if st.Batches != 1 || st.Sizes[4] != 1 || len(a.sizes)-warm != tc.runs {
				t.Errorf("%s: %d batches %v, %d runs", name, st.Batches, st.Sizes, len(a.sizes)-warm)
			}
			if *st.Lengths != tc.want {
				t.Errorf("%s: %+v, want %+v", name, *st.Lengths, tc.want)
			}
		})
	}
}

// TestManyShapes has many callers of random lengths while the settings change.
func TestManyShapes(t *testing.T) {
	for _, pad := range []*runs.Padding{nil, padX(), padX(8, 32)} {
		a := &adder{shared: true}
		s, done := serveAdder(t, a, pad, config(2, 4, ms))
		var wg sync.WaitGroup
		for c := range 8 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(c), 1))
				for i := range 40 {
					submitText(t, s, rng.IntN(50), byte(i))
				}
			})
		}
		for _, n := range []int{8, 1, 16} {
			want := s.Config().Settings
			want.BatchSize, want.Workers = n, 1+n%3
			if err := s.Apply(t.Context(), want, nil); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		st := s.Stats()
		if st.OK != 320 || st.Failed != 0 || st.Lengths.Runs < st.Batches || st.Lengths.Shapes < 1 {
			t.Errorf("%d answered, %d failed, %d batches, lengths %+v", st.OK, st.Failed, st.Batches, st.Lengths)
		}
		done()
	}
}

// TestBareOfLengths: the bare rate of texts of different lengths is that of all of them, not of the
// first ones.
func TestBareOfLengths(t *testing.T) {
	for size, want := range map[int]engine.BareRate{
		1: {PerSecond: 200, Workers: 1, Batch: 1, Runs: 30, PerRun: 5 * ms},  // 4 ms and 6 ms
		2: {PerSecond: 200, Workers: 1, Batch: 2, Runs: 15, PerRun: 10 * ms}, // both in one batch, which has two runs
	} {
		synctest.Test(t, func(t *testing.T) {
			s, done := serveAdder(t, &adder{perByte: ms}, nil, bareConfig(1, size))
			defer done()
			got, err := s.Bare(t.Context())
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("batch size %d: %v (-want +got)\n%s", size, err, diff)
			}
		})
	}
}

// TestFixedShapesAreNotDivided: sessions of models without open dimensions are used as they are.
func TestFixedShapesAreNotDivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: ms}, config(1, 2, ms))
		defer done()
		if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil || s.Stats().Lengths != nil {
			t.Errorf("%v, lengths %+v, want none", err, s.Stats().Lengths)
		}
	})
}

// BenchmarkSubmitLengths submits texts of three lengths in turn.
func BenchmarkSubmitLengths(b *testing.B) {
	for name, pad := range map[string]*runs.Padding{"equal": nil, "longest": padX(), "buckets": padX(16, 64)} {
		b.Run(name, func(b *testing.B) {
			e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": copier{}}, Cores: 2})
			c := config(1, 8, 0)
			c.Rule = knob.Eager
			if err := e.Load(b.Context(), adderModel(pad), c); err != nil {
				b.Fatal(err)
			}
			s, err := e.Find("m", "")
			if err != nil {
				b.Fatal(err)
			}
			items := []tensor.Item{bytesItem(12, 0), bytesItem(40, 0), bytesItem(64, 0)}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, _, err := s.Submit(b.Context(), items[n%3]); err != nil {
					b.Fatal(err)
				}
			}
			if err := e.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// copier is a backend whose outputs are its inputs.
type copier struct{}

func (copier) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return copierSession{}, nil
}

type copierSession struct{}

func (copierSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		out[i].Outputs = in[i].Item
	}
	return nil
}
func (copierSession) Shared() bool { return true }
func (copierSession) Close() error { return nil }
