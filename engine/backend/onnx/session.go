package onnx

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/cores"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

var errClosed = errors.New("the session is closed")

// session is one loaded model. Concurrent runs each have their own state; states are reused
// by later runs.
type session struct {
	plan      *plan
	run       *ort.DynamicAdvancedSession // safe for concurrent use
	borrowed  bool                        // run belongs to a probe, which destroys it
	shared    bool
	converted conversion
	capacity  int // of the buffers of a new state, in items
	log       *slog.Logger
	// allocated means that outputs had other sizes than the model's description, so
	// that the runtime allocates them.
	allocated atomic.Bool

	runs sync.WaitGroup // Add is called with mu held, and not after closed

	mu     sync.Mutex
	closed bool
	idle   []*state

	pinned *pinnedThread // nil without the option pin
	pins   *cores.Pins   // has the cores of pinned
	gpu    *onGPU        // nil on the CPU

	closing sync.Once
}

// newSession returns a session without its loaded model.
func newSession(p *plan, c knob.Config, log *slog.Logger) *session {
	return &session{plan: p, shared: isShared(c), capacity: max(1, c.BatchSize), log: log}
}

func isShared(c knob.Config) bool { return c.Session != "own" && !c.Pin }

// Shared reports whether one session serves the whole pool.
func (s *session) Shared() bool { return s.shared }

// Place returns the GPU of the session; "" on the CPU.
func (s *session) Place() string {
	if s.gpu == nil {
		return ""
	}
	return s.gpu.text()
}

// ConversionReport returns what the conversion of the model changed.
func (s *session) ConversionReport() (clipped int64, note string) {
	return s.converted.clipped, s.converted.note
}

// Run executes the rows as one batch. It checks ctx only before it starts, because a run
// cannot be interrupted.
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
	if s.pinned != nil {
		return s.pinned.call(s.runWith, st, in, out)
	}
	return s.runWith(st, in, out)
}

// runWith executes the rows. If an output has another size than the model's description
// says, it runs again, and from then on the runtime allocates the outputs: the run is right,
// and not what a file declares.
func (s *session) runWith(st *state, in []payload.Row, out []payload.Result) error {
	allocated := s.allocated.Load()
	err := s.runOnce(st, in, out, allocated)
	if err == nil || allocated || !isOutputMismatch(err) {
		return err
	}
	if err := s.runOnce(st, in, out, true); err != nil {
		return err
	}
	s.allocated.Store(true)
	s.log.Debug("outputs have other sizes than declared; the runtime allocates them from now on", "cause", err)
	return nil
}

func (s *session) runOnce(st *state, in []payload.Row, out []payload.Result, allocated bool) error {
	defer st.finish()
	if err := st.prepare(in, allocated); err != nil {
		return err
	}
	if len(s.plan.outNames) > 0 { // else all outputs are inputs
		if err := s.run.Run(st.in, st.out); err != nil {
			return plain(err, s.log)
		}
	}
	// The runtime reads and writes Go memory to which the wrapper has no references:
	// keep it alive until here.
	runtime.KeepAlive(st)
	return st.splitOutputs(in, out)
}

// Close waits for the runs in flight, frees the model and returns its memory to the system.
// Concurrent calls wait for the first one.
func (s *session) Close() error {
	var err error
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.runs.Wait()
		for _, st := range s.idle {
			st.free()
		}
		s.idle = nil
		if !s.borrowed {
			err = s.run.Destroy()
			trimHeap()
		}
		s.unpin()
		s.gpu.release()
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
	return &state{plan: s.plan, capacity: s.capacity}, nil
}

func (s *session) release(st *state) {
	s.mu.Lock()
	s.idle = append(s.idle, st)
	s.mu.Unlock()
	s.runs.Done()
}
