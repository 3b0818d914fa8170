package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

const ms = time.Millisecond

// doubler is a backend in virtual time: it returns 2x after fixed + n*perItem. A NaN fails
// its whole batch.
type doubler struct {
	fixed, perItem  time.Duration
	own             bool // each worker has its own session
	failOpen        atomic.Bool
	open            atomic.Int64 // sessions open now
	running         atomic.Int64
	peak            atomic.Int64
	closedDuringRun atomic.Bool
}

func (d *doubler) Open(_ context.Context, _ *engine.Model, c knob.Config) (engine.Session, error) {
	if d.failOpen.Load() || c.Precision == knob.HalfPrecision {
		return nil, errors.New("fp16 is not available")
	}
	d.open.Add(1)
	return &doublerSession{d: d}, nil
}

type doublerSession struct {
	d    *doubler
	runs atomic.Int64
}

func (s *doublerSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	s.runs.Add(1)
	defer s.runs.Add(-1)
	n := s.d.running.Add(1)
	defer s.d.running.Add(-1)
	for p := s.d.peak.Load(); n > p && !s.d.peak.CompareAndSwap(p, n); p = s.d.peak.Load() {
	}
	time.Sleep(s.d.fixed + time.Duration(len(in))*s.d.perItem)
	for i := range in {
		item := in[i].Item
		v := value(item)
		if math.IsNaN(v) {
			return fmt.Errorf("item %d is NaN", i)
		}
		out[i].Outputs = itemOf(2 * v)
	}
	return nil
}

func (s *doublerSession) Shared() bool { return !s.d.own }

func (s *doublerSession) Close() error {
	if s.runs.Load() > 0 {
		s.d.closedDuringRun.Store(true)
	}
	s.d.open.Add(-1)
	return nil
}

func itemOf(v float64) tensor.Item {
	return tensor.Item{{Type: tensor.Float64, Shape: []int64{1}, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))}}
}

func value(it tensor.Item) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(it[0].Data))
}

func model() *engine.Model {
	spec := []tensor.Spec{{Name: "x", Type: tensor.Float64, Shape: []int64{1}}}
	return &engine.Model{Name: "m", Version: "1.0", Backend: "fake", Inputs: spec, Outputs: spec, BatchAxis: true}
}

// serve loads the model. The returned function closes the engine.
func serve(t *testing.T, d *doubler, c knob.Config) (*engine.ModelService, func()) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": d}, Cores: 8})
	if err := e.Load(t.Context(), model(), c); err != nil {
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
		if n := d.open.Load(); n != 0 {
			t.Errorf("%d sessions left open", n)
		}
		if d.closedDuringRun.Load() {
			t.Error("a session was closed during a run")
		}
	}
}

func config(workers, batch int, delay time.Duration) knob.Config {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay = workers, batch, delay
	return knob.Config{Settings: s, Options: knob.Options{Rule: knob.TorchServe}}
}

func TestBatchFillsAndSplits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: 5 * ms, perItem: ms}, config(1, 4, 50*ms))
		defer done()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				out, timing, err := s.Submit(t.Context(), itemOf(float64(i)))
				if err != nil || value(out) != 2*float64(i) {
					t.Errorf("Submit(%d) = %v, %v", i, out, err)
				}
				if timing.Batch != 4 || timing.Execution != 9*ms || timing.Queue+timing.Formation != 0 {
					t.Errorf("timing = %+v, want a batch of 4, 9ms, no wait", timing)
				}
			})
		}
		wg.Wait()
		if st := s.Stats(); st.OK != 4 || st.Batches != 1 || st.Sizes[4] != 1 || st.Queue+st.InFlight != 0 {
			t.Errorf("stats = %+v", st)
		}
	})
}

func TestSingleRequestWaitsForTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: 5 * ms}, config(1, 4, 50*ms))
		defer done()
		begin := time.Now()
		_, timing, err := s.Submit(t.Context(), itemOf(1))
		if took := time.Since(begin); err != nil || took != 55*ms || timing.Formation != 50*ms {
			t.Errorf("took %v (%+v), %v; want 55ms, 50ms of them formation", took, timing, err)
		}
	})
}

// TestTimerFiresEarly: a timer that fires before the end of the delay is set again; else the request would wait forever.
func TestTimerFiresEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: 5 * ms}, config(1, 4, 50*ms))
		defer done()
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * ms)
		engine.FireEarly(s)
		wg.Wait()
		if took := time.Since(start); took != 55*ms {
			t.Errorf("the answer came after %v, want 55ms", took)
		}
	})
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(1, 1, ms)
		c.QueueSize = 2
		s, done := serve(t, &doubler{fixed: 100 * ms}, c)
		defer done()
		var wg sync.WaitGroup
		for range 3 { // one runs, two wait
			wg.Go(func() {
				if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, _, err := s.Submit(t.Context(), itemOf(1))
		if !errors.Is(err, engine.ErrQueueFull) {
			t.Errorf("err = %v, want queue full", err)
		}
		wg.Wait()
		if st := s.Stats(); st.Refused != 1 || st.OK != 3 {
			t.Errorf("stats = %+v", st)
		}
	})
}

func TestAbandonedRequestIsNotExecuted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(1, 1, ms)
		c.QueueSize = 1
		s, done := serve(t, &doubler{fixed: 100 * ms}, c)
		defer done()
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = s.Submit(t.Context(), itemOf(1)) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*ms)
		defer cancel()
		if _, _, err := s.Submit(ctx, itemOf(2)); !errors.Is(err, engine.ErrExpired) {
			t.Errorf("err = %v, want expired", err)
		}
		// The abandoned request makes room: no refusal although the queue size is 1.
		if _, _, err := s.Submit(t.Context(), itemOf(3)); err != nil {
			t.Errorf("Submit after an abandoned request: %v", err)
		}
		wg.Wait()
		if st := s.Stats(); st.Expired != 1 || st.OK != 2 || st.Batches != 2 {
			t.Errorf("stats = %+v", st)
		}
	})
}

func TestBadItemFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: ms}, config(1, 4, 50*ms))
		defer done()
		var wg sync.WaitGroup
		for i, v := range []float64{1, math.NaN(), 3, 4} {
			wg.Go(func() {
				out, _, err := s.Submit(t.Context(), itemOf(v))
				if math.IsNaN(v) != (err != nil) {
					t.Errorf("item %d: err = %v", i, err)
				}
				if err == nil && value(out) != 2*v {
					t.Errorf("item %d = %v", i, value(out))
				}
			})
		}
		wg.Wait()
		if st := s.Stats(); st.OK != 3 || st.Failed != 1 {
			t.Errorf("stats = %+v", st)
		}
	})
}

func TestFailedApplyKeepsTheOldSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{fixed: ms}
		s, done := serve(t, d, config(2, 4, 5*ms))
		defer done()
		before := s.Config()
		want := before.Settings
		want.Precision = knob.HalfPrecision
		if err := s.Apply(t.Context(), want, nil); err == nil || !strings.Contains(err.Error(), "fp16") {
			t.Errorf("Apply(fp16) = %v", err)
		}
		want = before.Settings
		want.BatchSize = 0
		if err := s.Apply(t.Context(), want, nil); err == nil || !strings.Contains(err.Error(), "batch_size: 0 is outside 1-1024") {
			t.Errorf("Apply(batch 0) = %v", err)
		}
		if s.Config() != before {
			t.Errorf("config = %+v, want %+v", s.Config(), before)
		}
		if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
			t.Error(err)
		}
	})
}

// TestApplyLosesNothing changes all settings at random while clients send requests: every
// request gets its own answer, and no worker or session stays behind.
func TestApplyLosesNothing(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("own=%v", own), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { applyUnderLoad(t, own) })
		})
	}
}

func applyUnderLoad(t *testing.T, own bool) {
	d := &doubler{fixed: 3 * ms, perItem: ms, own: own}
	s, done := serve(t, d, config(1, 1, ms))
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var sent atomic.Int64
	for c := range 12 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				v := float64(c*1_000_000 + i)
				out, _, err := s.Submit(t.Context(), itemOf(v))
				sent.Add(1)
				if err != nil || value(out) != 2*v {
					t.Errorf("client %d request %d: %v", c, i, err)
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		want := s.Config().Settings
		want.Workers, want.BatchSize = 1+rng.IntN(6), 1+rng.IntN(16)
		want.BatchDelay = time.Duration(1+rng.IntN(20)) * ms
		want.Threads = 1 + rng.IntN(3)
		want.QueueSize = 20 + rng.IntN(200)
		if err := s.Apply(t.Context(), want, nil); err != nil {
			t.Errorf("Apply(%v): %v", want, err)
		}
		if got := s.Config().Settings; got != want {
			t.Errorf("in force %v, want %v", got, want)
		}
		time.Sleep(time.Duration(rng.IntN(20)) * ms)
	}
	cancel()
	wg.Wait()
	st := s.Stats()
	if st.OK != sent.Load() || st.Failed+st.Refused+st.Cancelled+st.Expired != 0 {
		t.Errorf("sent %d, stats %+v", sent.Load(), st)
	}
	if st.Workers != s.Config().Workers {
		t.Errorf("%d workers, want %d", st.Workers, s.Config().Workers)
	}
}

func TestWorkersRunInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{fixed: 10 * ms}
		s, done := serve(t, d, config(3, 1, ms))
		defer done()
		var wg sync.WaitGroup
		begin := time.Now()
		for range 9 {
			wg.Go(func() { _, _, _ = s.Submit(t.Context(), itemOf(1)) })
		}
		wg.Wait()
		if took := time.Since(begin); took != 30*ms || d.peak.Load() != 3 {
			t.Errorf("took %v with %d in parallel, want 30ms with 3", took, d.peak.Load())
		}
	})
}

func TestCloseAnswersAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{fixed: 50 * ms}
		e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": d}})
		if err := e.Load(t.Context(), model(), config(1, 2, 5*ms)); err != nil {
			t.Fatal(err)
		}
		s, _ := e.Find("m", "")
		var answered atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, _, err := s.Submit(t.Context(), itemOf(1)); err == nil || errors.Is(err, engine.ErrClosed) {
					answered.Add(1)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 60*ms)
		defer cancel()
		if err := e.Close(ctx); err == nil || !strings.Contains(err.Error(), "requests left") {
			t.Errorf("Close = %v, want the number of requests left", err)
		}
		wg.Wait()
		if answered.Load() != 10 || d.open.Load() != 0 {
			t.Errorf("%d of 10 answered, %d sessions open", answered.Load(), d.open.Load())
		}
		if _, _, err := s.Submit(t.Context(), itemOf(1)); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("Submit after Close = %v", err)
		}
		if _, err := e.Find("m", ""); !errors.Is(err, engine.ErrUnknownModel) {
			t.Errorf("Find after Close = %v", err)
		}
	})
}

func TestLoadRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{}
		e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": d}, Cores: 2})
		defer func() { _ = e.Close(t.Context()) }()
		many := config(1, 1, ms)
		many.Threads, many.Workers, many.BatchSize = 9, 300, 0
		err := e.Load(t.Context(), model(), many)
		for _, want := range []string{"workers: 300 is outside 1-256", "threads: 9 is outside 1-2", "batch_size: 0 is outside 1-1024"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Load = %v, want %q", err, want)
			}
		}
		d.failOpen.Store(true)
		if err := e.Load(t.Context(), model(), config(1, 1, ms)); err == nil {
			t.Error("Load with a backend that refuses succeeded")
		}
		d.failOpen.Store(false)
		if err := e.Load(t.Context(), model(), config(1, 1, ms)); err != nil {
			t.Errorf("Load after a failed one: %v", err)
		}
		if err := e.Load(t.Context(), model(), config(1, 1, ms)); err == nil {
			t.Error("second Load of the same name succeeded")
		}
		other := model()
		other.Name, other.Backend = "n", "python"
		if err := e.Load(t.Context(), other, config(1, 1, ms)); err == nil || !strings.Contains(err.Error(), `no "python" backend`) {
			t.Errorf("Load = %v", err)
		}
	})
}

func BenchmarkSubmit(b *testing.B) {
	d := &instant{}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"fake": d}})
	c := config(1, 1, ms)
	if err := e.Load(b.Context(), model(), c); err != nil {
		b.Fatal(err)
	}
	s, _ := e.Find("m", "")
	item := itemOf(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Submit(b.Context(), item); err != nil {
			b.Fatal(err)
		}
	}
}

// instant is a backend that takes no time, to measure the engine itself.
type instant struct{}

func (instant) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return instant{}, nil
}
func (instant) Run(context.Context, []payload.Row, []payload.Result) error { return nil }
func (instant) Shared() bool                                               { return true }
func (instant) Close() error                                               { return nil }
