package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// hanging is a device whose requests get no answer while it hangs. They time out after 10 s.
type hanging struct {
	*device

	mu     sync.Mutex
	hangs  bool
	killed chan struct{} // of each start; made in the bubble of the test
}

// newHanging returns a device that keeps the promise.
func newHanging() *hanging {
	d := newDevice()
	d.settings.BatchSize = 8
	return &hanging{device: d}
}

func (h *hanging) hang(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hangs = on
}

// Live passes the samples on that are answered.
func (h *hanging) Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error {
	h.mu.Lock()
	if h.killed == nil {
		h.killed = make(chan struct{})
	}
	killed := h.killed
	h.mu.Unlock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		var since time.Time
		ended <- h.device.Live(ctx, l, func(samples []load.Sample) {
			h.mu.Lock()
			hangs := h.hangs
			h.mu.Unlock()
			switch now := time.Now(); {
			case !hangs:
				since = time.Time{}
				onSamples(samples)
			case since.IsZero():
				since = now
			case now.Sub(since) >= 10*time.Second:
				since = now
				onSamples([]load.Sample{{Outcome: load.Timeout, Latency: 10 * time.Second}})
			}
		})
	}()
	select {
	case err := <-ended:
		return err
	case <-killed:
		stop()
		<-ended
		return fmt.Errorf("%w: killed", sweep.ErrEngineDied)
	}
}

// Kill starts an engine that does not hang.
func (h *hanging) Kill(string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.killed)
	h.killed, h.hangs = nil, false
}

// hasMessage reports whether the log has a message.
func hasMessage(s *session.Session, text string) bool {
	for _, m := range s.Snapshot().Messages {
		if strings.Contains(m.Text, text) {
			return true
		}
	}
	return false
}

// A model that hangs is noticed before its requests time out: the snapshot says for how long there was no answer, and a pass, which
// does not count the waiting requests, becomes undecided. With the next answer all is as before.
func TestSilence(t *testing.T) {
	h := newHanging()
	runSession(t, h, func(s *session.Session, _, _ *memoryRecordings) {
		time.Sleep(40 * time.Second)
		if live := s.Snapshot().Live; live.Silent != 0 || live.Verdict.Result != trial.Pass {
			t.Fatalf("silent for %v, %s; want a pass", live.Silent, live.Verdict.Label())
		}
		if err := s.Restart(); err == nil {
			t.Error("an engine that answers is restarted")
		}
		h.hang(true)
		time.Sleep(2 * time.Second)
		if d := s.Snapshot().Live.Silent; d != 0 {
			t.Errorf("silent for %v after 2 s", d)
		}
		time.Sleep(4 * time.Second)
		if live := s.Snapshot().Live; live.Silent < 5*time.Second || live.Silent > 7*time.Second || live.Verdict.Result != trial.Undecided || live.Answers == 0 {
			t.Errorf("silent for %v after 6 s, %s", live.Silent, live.Verdict.Label())
		}
		if x, err := s.LiveTrial(); err != nil || x.Verdict.Result != trial.Undecided {
			t.Errorf("the trial of the live traffic: %s, %v", x.Verdict.Label(), err)
		}
		time.Sleep(10 * time.Second) // some have timed out
		if live := s.Snapshot().Live; live.Silent < 15*time.Second || live.Totals.Timeout == 0 || live.Verdict.Result != trial.Fail {
			t.Errorf("silent for %v after 16 s, %d timeouts, %s", live.Silent, live.Totals.Timeout, live.Verdict.Label())
		}
		if !hasMessage(s, "no answer for 10s: the model or its server hangs; R ends the engine") {
			t.Errorf("messages %+v", s.Snapshot().Messages)
		}
		h.hang(false)
		time.Sleep(2 * time.Second)
		if live := s.Snapshot().Live; live.Silent != 0 {
			t.Errorf("silent for %v", live.Silent)
		}
		if !hasMessage(s, "answered again after 16s") {
			t.Errorf("messages %+v", s.Snapshot().Messages)
		}
	})
}

// Restart kills an engine that answers nothing. It is started again as after any other death.
func TestRestartOfAHangingEngine(t *testing.T) {
	h := newHanging()
	runSession(t, h, func(s *session.Session, _, _ *memoryRecordings) {
		time.Sleep(5 * time.Second)
		h.hang(true)
		time.Sleep(5 * time.Second)
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		snap := s.Snapshot()
		if snap.Phase != session.Serving || snap.Live.Silent != 0 || len(snap.Crashes) != 1 || !hasMessage(s, "the engine was restarted") {
			t.Errorf("%v, silent for %v, %d deaths, messages %+v", snap.Phase, snap.Live.Silent, len(snap.Crashes), snap.Messages)
		}
	})
}

// Without load, and with a load that has few requests, no answer is expected.
func TestNoSilence(t *testing.T) {
	h := newHanging()
	runSession(t, h, func(s *session.Session, _, _ *memoryRecordings) {
		h.hang(true)
		time.Sleep(time.Second)
		if err := s.HoldLoad(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if d := s.Snapshot().Live.Silent; d != 0 {
			t.Errorf("without load silent for %v", d)
		}
		if err := s.HoldLoad(false); err != nil {
			t.Fatal(err)
		}
		if err := s.SetLoad(load.Spec{Mode: load.Open, Rate: .1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		if d := s.Snapshot().Live.Silent; d != 0 {
			t.Errorf("at a request in 10 s silent for %v", d)
		}
	})
}
