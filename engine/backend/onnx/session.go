package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

var errClosed = errors.New("the session is closed")

// session is one loaded model. As many runs as there are callers go on at once,
// each with a state of its own; states are kept for the next run.
type session struct {
	plan   *plan
	run    *ort.DynamicAdvancedSession // safe for concurrent use
	shared bool
	note   string
	room   int // items a new state has room for

	runs sync.WaitGroup // added to under mu while not closed

	mu     sync.Mutex
	closed bool
	idle   []*state

	closing sync.Once
}

// newSession is a session whose model is still to be loaded.
func newSession(p *plan, c knob.Config) *session {
	return &session{plan: p, shared: shares(c), room: max(1, c.BatchSize)}
}

func shares(c knob.Config) bool { return c.Session != "own" }

// Shared tells whether one session serves the whole pool.
func (s *session) Shared() bool { return s.shared }

// Note is what a person should know of a session of another precision than the
// model's; "" for others.
func (s *session) PrecisionNote() string { return s.note }

// Run executes the rows as one batch. A run that has begun is not interrupted:
// ctx is looked at before.
func (s *session) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	if err := s.plan.check(in, out); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	st, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release(st)
	defer st.finish()
	if err := st.prepare(in); err != nil {
		return err
	}
	if err := s.run.Run(st.in, st.out); err != nil {
		return fmt.Errorf("run: %s", oneLine(err))
	}
	// The runtime reads and writes Go memory, and the wrapper holds on to none of
	// it: what the run used must be seen to be in use until here.
	runtime.KeepAlive(st)
	return st.split(len(in), out)
}

// Close waits for the runs in flight, frees the model and gives its memory back
// to the system. Every Close returns after the first one has done so.
func (s *session) Close() error {
	var err error
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.runs.Wait()
		for _, st := range s.idle {
			st.drop()
		}
		s.idle = nil
		err = s.run.Destroy()
		giveBack()
	})
	return err
}

func (s *session) acquire() (*state, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	s.runs.Add(1)
	if n := len(s.idle); n > 0 {
		st := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return st, nil
	}
	return &state{plan: s.plan, room: s.room}, nil
}

func (s *session) release(st *state) {
	s.mu.Lock()
	s.idle = append(s.idle, st)
	s.mu.Unlock()
	s.runs.Done()
}
