package engine_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
)

// serveBytes loads a model that takes bytes. The returned function closes the engine and
// checks that no session stays open.
func serveBytes(t *testing.T, b *enginetest.Backend, change func(*engine.Model), c knob.Config) (*engine.ModelService, func()) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: b}, Cores: 8})
	m := enginetest.Model("words")
	if change != nil {
		change(m)
	}
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("words", "")
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait() // lost sessions are closed in the background
		if n := b.OpenNow(); n != 0 {
			t.Errorf("%d sessions left open", n)
		}
		st := s.Stats()
		if st.Accepted != st.OK+st.Failed+st.Expired+st.Cancelled {
			t.Errorf("stats = %+v: not every request is accounted for once", st)
		}
	}
}

// ask returns the model's answer.
func ask(ctx context.Context, s *engine.ModelService, text string) (string, error) {
	a, _, err := s.Do(ctx, enginetest.Request(text), nil)
	if err != nil || a.Bytes == nil {
		return "", err
	}
	return string(a.Bytes.Body), nil
}

func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &enginetest.Backend{OnRun: func(int) { time.Sleep(5 * ms) }}
		s, done := serveBytes(t, b, nil, config(1, 4, 20*ms))
		defer done()
		var wg sync.WaitGroup
		for _, text := range []string{"one", "two", "fail", "three"} {
			wg.Go(func() {
				got, err := ask(t.Context(), s, text)
				if text == "fail" {
					if err == nil || !strings.Contains(err.Error(), "the row failed") {
						t.Errorf("a row that fails: %v", err)
					}
				} else if err != nil || got != strings.ToUpper(text) {
					t.Errorf("%s = %q, %v", text, got, err)
				}
			})
		}
		wg.Wait()
		if st := s.Stats(); st.Sizes[4] != 1 || st.OK != 3 || st.Failed != 1 || st.FailedBatches != 0 {
			t.Errorf("stats = %+v", st)
		}
	})
}

// Rows of bytes may have side effects, so a failed batch of them is not retried.
func TestFailedBatchOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &enginetest.Backend{}
		s, done := serveBytes(t, b, nil, config(1, 2, 20*ms))
		defer done()
		before := b.Runs()
		var failed atomic.Int64
		var wg sync.WaitGroup
		for _, text := range []string{"fine", "fail batch"} {
			wg.Go(func() {
				if _, err := ask(t.Context(), s, text); err != nil {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		if st := s.Stats(); failed.Load() != 2 || b.Runs()-before != 1 || st.FailedBatches != 1 || st.Failed != 2 {
			t.Errorf("%d failed in %d runs, stats %+v", failed.Load(), b.Runs()-before, st)
		}
	})
}

func TestStreamedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serveBytes(t, &enginetest.Backend{}, nil, config(1, 1, ms))
		defer done()
		for _, tt := range []struct{ ask, want, err string }{
			{"stream a b c", "abc.", "EOF"},
			{"die after a", "a", "by request"},
			{"plain", "PLAIN", ""},
		} {
			r := enginetest.Request(tt.ask)
			r.Streamed = true
			a, _, err := s.Do(t.Context(), r, nil)
			if err != nil {
				t.Errorf("%s: %v", tt.ask, err)
				continue
			}
			if a.Stream == nil {
				if string(a.Bytes.Body) != tt.want || tt.err != "" {
					t.Errorf("%s: the whole answer %q", tt.ask, a.Bytes.Body)
				}
				continue
			}
			var text strings.Builder
			for err == nil {
				var piece []byte
				piece, err = a.Stream.Next(t.Context())
				text.Write(piece)
			}
			if text.String() != tt.want || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %q, %v; want %q, %s", tt.ask, &text, err, tt.want, tt.err)
			}
			if (tt.err == "EOF") != errors.Is(err, io.EOF) {
				t.Errorf("%s: ended with %v", tt.ask, err)
			}
		}
	})
}

// The batch in a lost session fails; another session answers later requests.
func TestLostSessions(t *testing.T) {
	for name, shares := range map[string]bool{"own": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &enginetest.Backend{Shared: shares, OnRun: func(int) { time.Sleep(ms) }}
				s, done := serveBytes(t, b, nil, config(2, 2, ms))
				defer done()
				opened := b.Opened()
				var wg sync.WaitGroup
				var lost atomic.Int64
				for i := range 40 {
					text := "word"
					if i%10 == 3 {
						text = "die"
					}
					wg.Go(func() {
						time.Sleep(time.Duration(i) * 20 * ms)
						got, err := ask(t.Context(), s, text)
						switch {
						case errors.Is(err, engine.ErrSessionLost):
							lost.Add(1)
						case err != nil || got != "WORD":
							t.Errorf("%s = %q, %v", text, got, err)
						}
					})
				}
				wg.Wait()
				if n := lost.Load(); n < 4 || n > 8 {
					t.Errorf("%d requests were lost with 4 sessions", n)
				}
				if st := s.Stats(); st.LostSessions < 4 || b.Opened()-opened != 4 {
					t.Errorf("%d sessions lost, %d opened in their place, want 4", st.LostSessions, b.Opened()-opened)
				}
			})
		})
	}
}

// A batch that exceeds RunTime loses its session, even if the run never ends.
func TestRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &enginetest.Backend{}
		s, done := serveBytes(t, b, func(m *engine.Model) { m.RunTime = time.Second }, config(1, 1, ms))
		defer done()
		begin := time.Now()
		_, err := ask(t.Context(), s, "hang")
		if took := time.Since(begin); !errors.Is(err, engine.ErrSessionLost) || took > 2*time.Second {
			t.Errorf("hang = %v after %v", err, took)
		}
		if got, err := ask(t.Context(), s, "on"); got != "ON" || err != nil {
			t.Errorf("after it: %q, %v", got, err)
		}
	})
}

// While no session can be opened, queued requests fail with the cause and new ones are
// refused; when one can be opened again, the model serves again.
func TestNoSessionOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		b := &enginetest.Backend{
			OnOpen: func(context.Context, int) error {
				if broken.Load() {
					return errors.New("no python here")
				}
				return nil
			},
			OnRun: func(int) { time.Sleep(10 * ms) },
		}
		s, done := serveBytes(t, b, nil, config(1, 1, ms))
		defer done()
		broken.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := ask(t.Context(), s, "die"); !errors.Is(err, engine.ErrSessionLost) {
				t.Errorf("die = %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := ask(t.Context(), s, "waits"); !errors.Is(err, engine.ErrNoWorkers) || !strings.Contains(err.Error(), "no python here") {
				t.Errorf("a queued request failed with %v", err)
			}
		})
		wg.Wait()
		if _, err := ask(t.Context(), s, "new"); !errors.Is(err, engine.ErrNoWorkers) {
			t.Errorf("a new request failed with %v", err)
		}
		tries := b.Opened()
		time.Sleep(30 * time.Second)
		if n := b.Opened() - tries; n < 3 || n > 12 {
			t.Errorf("%d tries in 30 s, want increasing waits", n)
		}
		broken.Store(false)
		time.Sleep(time.Minute)
		if got, err := ask(t.Context(), s, "back"); got != "BACK" || err != nil {
			t.Errorf("later: %q, %v", got, err)
		}
	})
}

// Settings change while sessions are lost.
func TestChangesWhileSessionsAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &enginetest.Backend{OnRun: func(int) { time.Sleep(ms) }}
		s, done := serveBytes(t, b, nil, config(2, 2, ms))
		defer done()
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for i := range 4 {
			clients.Go(func() {
				for k := 0; ctx.Err() == nil; k++ {
					text := "word"
					if (k+i)%17 == 0 {
						text = "die"
					}
					if _, err := ask(t.Context(), s, text); err != nil && !errors.Is(err, engine.ErrSessionLost) {
						t.Errorf("%s = %v", text, err)
					}
					time.Sleep(ms)
				}
			})
		}
		for i := range 40 {
			want := s.Config().Settings
			want.Workers, want.BatchSize, want.Threads = 1+i%4, 1+i%3, 1+i%2
			if err := s.Apply(t.Context(), want, nil); err != nil && !errors.Is(err, engine.ErrSessionLost) {
				t.Errorf("apply: %v", err)
			}
			time.Sleep(10 * ms)
		}
		cancel()
		clients.Wait()
	})
}

// A backend can reject a hot change, and the old settings stay in force.
func TestCheckRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &enginetest.Backend{OnCheck: func(_ *engine.Model, c knob.Config) error {
			if c.BatchSize > 8 {
				return errors.New("batches of over 8 do not fit")
			}
			return nil
		}}
		s, done := serveBytes(t, b, nil, config(1, 8, ms))
		defer done()
		want := s.Config().Settings
		want.BatchSize = 16
		if err := s.Apply(t.Context(), want, nil); err == nil || !strings.Contains(err.Error(), "over 8") {
			t.Errorf("Apply = %v", err)
		}
		if got := s.Config().BatchSize; got != 8 {
			t.Errorf("batch size %d is in force", got)
		}
	})
}

// A receiver that does not read its streamed answer must not delay other requests.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serveBytes(t, &enginetest.Backend{}, nil, config(1, 1, ms))
		defer done()
		r := enginetest.Request("stream a b")
		r.Streamed = true
		a, _, err := s.Do(t.Context(), r, nil)
		if err != nil || a.Stream == nil {
			t.Fatalf("Do = %+v, %v", a, err)
		}
		if got, err := ask(t.Context(), s, "next"); got != "NEXT" || err != nil {
			t.Errorf("the next request: %q, %v", got, err)
		}
		a.Stream.Close()
	})
}
