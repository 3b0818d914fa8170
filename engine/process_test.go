package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
)

// processes is a backend whose sessions are processes that can end at any time.
type processes struct {
	enginetest.Backend
	mu   sync.Mutex
	open []*process
}

type process struct {
	engine.Session
	pid   int
	ended chan struct{}
}

func (p *processes) Open(ctx context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	s, err := p.Backend.Open(ctx, m, c)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := &process{s, 100 + len(p.open), make(chan struct{})}
	p.open = append(p.open, out)
	return out, nil
}

func (p *process) PID() int               { return p.pid }
func (p *process) Ended() <-chan struct{} { return p.ended }
func (p *process) Ending() error {
	return fmt.Errorf("%w: process %d was ended", engine.ErrSessionLost, p.pid)
}

// end ends the process of the n-th session.
func (p *processes) end(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.open[n].ended)
}

// TestProcessEndsWhileIdle: a worker whose process ends before a request comes opens another session, and
// never counts twice among the idle ones: as many requests run at once as there are workers.
func TestProcessEndsWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &processes{}
		b.OnRun = func(int) { time.Sleep(10 * ms) }
		var text lockedText
		e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: b}, Cores: 8, Log: slog.New(slog.NewTextHandler(&text, nil))})
		if err := e.Load(t.Context(), enginetest.Model("words"), config(2, 1, ms)); err != nil {
			t.Fatal(err)
		}
		s, err := e.Find("words", "")
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			b.end(n)
			time.Sleep(time.Second)
		}
		if st := s.Stats(); st.LostSessions != 2 || b.Opened() != 4 || b.OpenNow() != 2 {
			t.Errorf("%d sessions lost, %d opened, %d open", st.LostSessions, b.Opened(), b.OpenNow())
		}
		start := time.Now()
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				if got, err := ask(t.Context(), s, "word"); got != "WORD" || err != nil {
					t.Errorf("answer %q, %v", got, err)
				}
			})
		}
		time.Sleep(ms)
		if n := s.Stats().InFlight; n != 2 {
			t.Errorf("%d requests run at once, want 2", n)
		}
		clients.Wait()
		// 8 requests of 10 ms by two workers; the delay of a batch of one does not count.
		if took := time.Since(start); took != 40*ms {
			t.Errorf("8 requests took %v, want 40ms", took)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := b.OpenNow(); n != 0 {
			t.Errorf("%d sessions left open", n)
		}
		if strings.Contains(text.String(), "closed twice") {
			t.Errorf("a session was closed twice:\n%s", text.String())
		}
	})
}

// TestLostSessionIsClosedOnce: a worker that ends while it cannot replace its lost session does not close
// that one again.
func TestLostSessionIsClosedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &enginetest.Backend{OnOpen: func(_ context.Context, n int) error {
			if n > 1 {
				return errors.New("no more sessions")
			}
			return nil
		}}
		var text lockedText
		e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: b}, Cores: 8, Log: slog.New(slog.NewTextHandler(&text, nil))})
		if err := e.Load(t.Context(), enginetest.Model("words"), config(1, 1, ms)); err != nil {
			t.Fatal(err)
		}
		s, err := e.Find("words", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t.Context(), s, "die"); !errors.Is(err, engine.ErrSessionLost) {
			t.Errorf("die: %v", err)
		}
		time.Sleep(300 * ms) // a try has failed, and the worker waits for the next one
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if b.OpenNow() != 0 || strings.Contains(text.String(), "closed twice") || !strings.Contains(text.String(), "no more sessions") {
			t.Errorf("%d sessions open; log:\n%s", b.OpenNow(), text.String())
		}
	})
}

// TestFailuresAreLoggedSeldom: of batches that fail within 10 s only the first is logged, also long after the start.
func TestFailuresAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text lockedText
		e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &enginetest.Backend{}}, Cores: 8, Log: slog.New(slog.NewTextHandler(&text, nil))})
		if err := e.Load(t.Context(), enginetest.Model("words"), config(1, 1, ms)); err != nil {
			t.Fatal(err)
		}
		s, err := e.Find("words", "")
		if err != nil {
			t.Fatal(err)
		}
		fail := func() {
			if _, err := ask(t.Context(), s, "fail batch"); err == nil {
				t.Error("fail batch: no error")
			}
		}
		time.Sleep(time.Minute)
		for want, pause := range []time.Duration{0, time.Second, time.Second, 9 * time.Second} {
			time.Sleep(pause)
			fail()
			lines := strings.Count(text.String(), "the batch failed")
			if wanted := map[bool]int{true: 1, false: 2}[want < 3]; lines != wanted {
				t.Errorf("failure %d: %d lines, want %d:\n%s", want+1, lines, wanted, text.String())
			}
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// lockedText collects a log.
type lockedText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
