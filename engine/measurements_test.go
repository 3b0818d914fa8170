package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/batching"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
)

// service loads the model words in a bubble, whose runs take a second.
func service(t *testing.T, change func(*knob.Config)) *engine.ModelService {
	t.Helper()
	b := &enginetest.Backend{OnRun: func(int) { time.Sleep(time.Second) }}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: b}, Cores: 2})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	change(&c)
	if err := e.Load(t.Context(), enginetest.Model("words"), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s, err := e.Find("words", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each batch is counted by the reason for which it was sent, each row by its times, each
// refusal by its reason.
func TestMeasurements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, func(c *knob.Config) { c.BatchSize, c.BatchDelay, c.QueueSize = 2, 100*time.Millisecond, 2 })
		ask := func(n int) {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { _, _, _ = s.Do(t.Context(), enginetest.Request("x"), nil) })
				synctest.Wait()
			}
			wg.Wait()
		}
		ask(1) // is sent after the delay
		ask(2) // is full
		ask(5) // two run, two wait, one is refused
		ticket, err := s.Admit()
		if err != nil {
			t.Fatal(err)
		}
		ticket.Release() // its body was not valid
		m := s.Measurements()
		if m.Requests != 9 || m.Invalid != 1 || m.OK != 7 || m.Batches != 4 || m.WorkersReady != 1 || m.QueueSize != 2 {
			t.Errorf("%+v", m)
		}
		if diff := cmp.Diff(map[batching.Reason]int64{batching.Full: 3, batching.Delayed: 1, batching.Undelayed: 0, batching.Abandoned: 0}, m.Left); diff != "" {
			t.Errorf("batches by reason: -want +got\n%s", diff)
		}
		if m.Rejected[engine.RejectedQueueFull] != 1 {
			t.Errorf("rejected %v", m.Rejected)
		}
		// The first waits 100 ms for others; the third pair waits a second for the worker.
		if m.OKWait != 2100*time.Millisecond || m.OKTime != 9100*time.Millisecond || m.LastRun != time.Second || m.LastWait != time.Second {
			t.Errorf("waits %v, times %v, last %v and %v", m.OKWait, m.OKTime, m.LastWait, m.LastRun)
		}
		for name, h := range map[string]engine.Histogram{"requests": m.RequestTimes, "waits": m.Waits, "runs": m.RunTimes} {
			want := map[string]int64{"requests": 7, "waits": 7, "runs": 4}[name]
			if n := sum(h.Counts); n != want || len(h.Counts) != len(h.Bounds)+1 {
				t.Errorf("%s: %d in the histogram, want %d", name, n, want)
			}
		}
		if m.RunTimes.Sum != 4*time.Second || m.Waits.Sum != m.OKWait || m.RequestTimes.Sum != m.OKTime {
			t.Errorf("sums %v, %v, %v", m.RunTimes.Sum, m.Waits.Sum, m.RequestTimes.Sum)
		}
	})
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// Requests to a version without workers are counted by that reason.
func TestRejectedByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, func(*knob.Config) {})
		if err := s.Scale(t.Context(), 0, 0, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Admit(); !errors.Is(err, engine.ErrNoWorkers) {
			t.Errorf("Admit = %v", err)
		}
		if _, _, err := s.Do(t.Context(), enginetest.Request("x"), nil); !errors.Is(err, engine.ErrNoWorkers) {
			t.Errorf("Do = %v", err)
		}
		if m := s.Measurements(); m.Rejected[engine.RejectedNoWorkers] != 2 || m.Requests != 2 || s.CanAnswer() {
			t.Errorf("%+v", m)
		}
	})
}

// Adjust changes settings and the range of workers together, and nothing if edit fails.
func TestAdjust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(t, func(*knob.Config) {})
		fault := errors.New("no")
		if err := s.Adjust(t.Context(), func(a *engine.Adjustment) error { a.MinWorkers = 5; return fault }, nil); err != fault {
			t.Errorf("Adjust = %v", err)
		}
		err := s.Adjust(t.Context(), func(a *engine.Adjustment) error {
			a.MinWorkers, a.MaxWorkers, a.Settings.BatchSize = 2, 4, 8
			return nil
		}, nil)
		low, high := s.Bounds()
		if c := s.Config(); err != nil || c.Workers != 2 || c.BatchSize != 8 || low != 2 || high != 4 || len(s.Workers()) != 2 {
			t.Errorf("%v: %v, workers %d to %d", err, c.Settings, low, high)
		}
		if err := s.Adjust(t.Context(), func(a *engine.Adjustment) error { a.Settings.BatchSize = 0; return nil }, nil); err == nil {
			t.Error("batch size 0 was accepted")
		}
		ids := map[int]bool{}
		for _, w := range s.Workers() {
			if ids[w.ID] = true; !w.Ready || w.Started.IsZero() || w.Loading < 0 || w.Device != "cpu" {
				t.Errorf("worker %+v", w)
			}
		}
		if len(ids) != 2 {
			t.Errorf("ids %v", ids)
		}
	})
}
