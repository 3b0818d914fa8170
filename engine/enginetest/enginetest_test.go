package enginetest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

func open(t *testing.T, b *enginetest.Backend) engine.Session {
	t.Helper()
	s, err := b.Open(t.Context(), enginetest.Model("net"), knob.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCommands: each command of a row does what the package says.
func TestCommands(t *testing.T) {
	b := &enginetest.Backend{}
	s := open(t, b)
	run := func(text string) (payload.Result, error) {
		out := make([]payload.Result, 1)
		err := s.Run(t.Context(), []payload.Row{enginetest.Row(text)}, out)
		return out[0], err
	}
	if r, err := run("hello"); err != nil || string(r.Bytes.Body) != "HELLO" || r.Bytes.Header[0].Value != "net" {
		t.Errorf("text: %+v, %v", r, err)
	}
	if r, err := run("fail"); err != nil || r.Err == nil {
		t.Errorf("fail: %+v, %v", r, err)
	}
	if _, err := run("fail batch"); err == nil || errors.Is(err, engine.ErrSessionLost) {
		t.Errorf("fail batch: %v", err)
	}
	_, err := run("refuse 418 a teapot")
	if e, ok := errors.AsType[*payload.StatusError](err); !ok || e.Status != 418 || e.Message != "a teapot" {
		t.Errorf("refuse: %v", err)
	}
	if _, err := run("die"); !errors.Is(err, engine.ErrSessionLost) {
		t.Errorf("die: %v", err)
	}
	if _, err := run("hello"); !errors.Is(err, engine.ErrSessionLost) {
		t.Errorf("after a loss: %v", err)
	}
	if b.Opened() != 1 || b.OpenNow() != 1 || b.Runs() != 5 {
		t.Errorf("%d opened, %d open, %d runs", b.Opened(), b.OpenNow(), b.Runs())
	}
	if err := s.Close(); err != nil || b.OpenNow() != 0 {
		t.Errorf("Close = %v, %d open", err, b.OpenNow())
	}
	if err := s.Close(); err == nil {
		t.Error("closed twice without an error")
	}
	if _, err := run("hello"); err == nil || !strings.Contains(err.Error(), "closed session") {
		t.Errorf("a run after Close: %v", err)
	}
}

// TestHooks: the fields decide whether a session opens and which run loses it.
func TestHooks(t *testing.T) {
	b := &enginetest.Backend{
		Shared: true,
		OnOpen: func(_ context.Context, n int) error {
			if n == 1 {
				return errors.New("not the first")
			}
			return nil
		},
		LosesSession: func(run int) bool { return run == 2 },
	}
	if _, err := b.Open(t.Context(), enginetest.Model("net"), knob.Config{}); err == nil || b.OpenNow() != 0 {
		t.Errorf("the first opening: %v, %d open", err, b.OpenNow())
	}
	s := open(t, b)
	if !s.Shared() {
		t.Error("the session is not shared")
	}
	for run := 1; run <= 2; run++ {
		err := s.Run(t.Context(), []payload.Row{enginetest.Row("x")}, make([]payload.Result, 1))
		if (run == 2) != errors.Is(err, engine.ErrSessionLost) {
			t.Errorf("run %d: %v", run, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
