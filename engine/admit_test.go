package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// Admit counts requests that are being decoded, so that the queue size bounds their memory.
func TestAdmitBoundsDecoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(1, 2, ms)
		c.QueueSize = 3
		s, done := serve(t, &doubler{fixed: 50 * ms}, c)
		defer done()
		var tickets []engine.Ticket
		for {
			p, err := s.Admit()
			if err != nil {
				if !errors.Is(err, engine.ErrQueueFull) {
					t.Errorf("Admit = %v", err)
				}
				break
			}
			tickets = append(tickets, p)
		}
		if len(tickets) != 5 { // 3 in the queue, and 2 in the idle worker's batch
			t.Fatalf("%d tickets, want 5", len(tickets))
		}
		tickets[4].Release()
		p, err := s.Admit()
		if err != nil {
			t.Fatalf("after a release: %v", err)
		}
		tickets[4] = p
		var wg sync.WaitGroup
		for _, p := range tickets {
			wg.Go(func() {
				if a, _, err := p.Do(t.Context(), rowsOf(3), nil); err != nil || value(a.Items[0]) != 6 {
					t.Errorf("Do = %v, %v", a, err)
				}
			})
		}
		wg.Wait()
		synctest.Wait() // the worker is idle
		if p, err = s.Admit(); err != nil {
			t.Errorf("after all are answered: %v", err)
		}
		if _, _, err := p.Do(t.Context(), payload.Request{}, nil); err == nil {
			t.Error("a request without rows was answered")
		}
		for range 5 {
			if _, err := s.Admit(); err != nil {
				t.Errorf("a request without rows keeps its ticket: %v", err)
			}
		}
		// Each answered request has given back one ticket, and not more.
		if _, err := s.Admit(); !errors.Is(err, engine.ErrQueueFull) {
			t.Errorf("a sixth ticket: %v", err)
		}
	})
}

// Abandoned rows make room at once, and do not let the queue grow.
func TestAbandonedRowsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(1, 1, ms)
		c.QueueSize = 8
		s, done := serve(t, &doubler{fixed: time.Minute}, c)
		defer done()
		var first sync.WaitGroup
		first.Go(func() { _, _, _ = s.Submit(t.Context(), itemOf(1)) })
		synctest.Wait() // the worker is busy for a minute
		for range 100 {
			ctx, abandon := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if _, _, err := s.Submit(ctx, itemOf(1)); !errors.Is(err, context.Canceled) {
						t.Errorf("Submit = %v", err)
					}
				})
			}
			synctest.Wait()
			if _, _, err := s.Submit(t.Context(), itemOf(1)); !errors.Is(err, engine.ErrQueueFull) {
				t.Errorf("a ninth request: %v", err)
			}
			abandon()
			wg.Wait()
		}
		if n := engine.QueueLength(s); n > 24 {
			t.Errorf("%d rows in a queue of 8", n)
		}
		if n := s.Stats().Queue; n != 0 {
			t.Errorf("%d requests wait, but all were abandoned", n)
		}
		first.Wait()
	})
}

// The cost of a refusal must not depend on the length of the queue.
func BenchmarkRefuse(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			gate := make(chan struct{})
			fake := &enginetest.Backend{OnRun: func(int) { <-gate }}
			e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: fake}})
			c := config(1, 1, ms)
			c.QueueSize = n
			m := enginetest.Model("m")
			go func() { gate <- struct{}{}; gate <- struct{}{} }() // the warm-up
			if err := e.Load(b.Context(), m, c); err != nil {
				b.Fatal(err)
			}
			s, _ := e.Find("m", "")
			r := enginetest.Request("x")
			ctx, abandon := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for s.Stats().Queue < n {
				wg.Go(func() { _, _, _ = s.Do(ctx, r, nil) })
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Admit(); !errors.Is(err, engine.ErrQueueFull) {
					b.Fatal(err)
				}
			}
			abandon()
			close(gate)
			wg.Wait()
			_ = e.Close(context.Background())
		})
	}
}

// A batch that fails as a whole is counted and logged, even if the retry answers its rows.
func TestFailedBatchesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		e := engine.New(engine.Options{
			Backends: map[string]engine.Backend{"fake": &failsLargeBatches{}}, Cores: 8,
			Log: slog.New(slog.NewTextHandler(&text, nil)),
		})
		c := config(1, 8, 20*ms)
		if err := e.Load(t.Context(), model(), c); err == nil {
			t.Fatal("a batch size whose warm-up fails was loaded")
		}
		c.BatchSize = 1
		if err := e.Load(t.Context(), model(), c); err != nil {
			t.Fatal(err)
		}
		s, _ := e.Find("m", "")
		want := c.Settings
		want.BatchSize = 8
		if err := s.Apply(t.Context(), want, nil); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
					t.Errorf("Submit = %v", err)
				}
			})
		}
		wg.Wait()
		if st := s.Stats(); st.FailedBatches != 2 || st.OK != 16 || st.Failed != 0 {
			t.Errorf("stats = %+v, want 2 failed batches and 16 answers", st)
		}
		if n := strings.Count(text.String(), "batch failed"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, &text)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// failsLargeBatches is a backend that fails every batch of more than one row.
type failsLargeBatches struct{}

func (l *failsLargeBatches) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return l, nil
}

func (l *failsLargeBatches) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	if len(in) > 1 {
		return errors.New("out of memory")
	}
	out[0].Outputs = in[0].Item
	return nil
}
func (l *failsLargeBatches) Shared() bool { return true }
func (l *failsLargeBatches) Close() error { return nil }

// Workers that share a session are warmed at the same time: one after another, each would
// warm the same part of it.
func TestSharedSessionIsWarmedInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{fixed: 5 * ms}
		begin := time.Now()
		_, done := serve(t, d, config(8, 4, ms))
		defer done()
		if took := time.Since(begin); d.peak.Load() != 8 || took > 100*ms {
			t.Errorf("%d parallel runs in %v, want 8", d.peak.Load(), took)
		}
	})
}

// The warm-up of many workers with slow own sessions runs in parallel.
func TestWarmingManyWorkersEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{fixed: time.Second, own: true}
		begin := time.Now()
		_, done := serve(t, d, config(200, 2, ms)) // 8 cores
		defer done()
		if took := time.Since(begin); took > 200/8*3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Closing does not wait for a running change: it cancels it.
func TestCloseCancelsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifecycle(t)
		if err := l.engine.Load(t.Context(), l.model("1"), config(1, 1, ms)); err != nil {
			t.Fatal(err)
		}
		s, _ := l.engine.Find("m", "")
		l.gated = true
		ended := make(chan error)
		go func() {
			want := s.Config().Settings
			want.Workers = 4
			ended <- s.Apply(t.Context(), want, nil)
		}()
		synctest.Wait()
		if err := l.engine.Unload(t.Context(), "m", ""); err != nil {
			t.Errorf("Unload = %v", err)
		}
		if err := <-ended; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("the change ended with %v", err)
		}
		l.end()
	})
}
