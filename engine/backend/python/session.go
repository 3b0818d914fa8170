package python

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/backend/python/worker"
	"sweetspot/engine/payload"
)

// session is one worker process.
type session struct {
	model   *engine.Model
	limit   time.Duration // of a run, or of the wait for a piece
	gpu     int
	cores   []int    // of a pinned worker
	backend *Backend // has the GPUs and the cores
	folder  folder
	worker  *worker.Process // nil if it was not started
	lost    error           // why it has ended
}

// Shared returns false: a process runs one batch at a time.
func (*session) Shared() bool { return false }

// LimitsRuns says that Run itself ends a run that takes too long, and the process with it.
func (*session) LimitsRuns() {}

// Place returns the GPU of the worker; "" on the CPU.
func (s *session) Place() string {
	if s.gpu == protocol.NoGPU {
		return ""
	}
	return fmt.Sprintf("gpu:%d", s.gpu)
}

// PID returns the ID of the worker's process.
func (s *session) PID() int { return s.worker.PID() }

// Ended is closed when the worker's process has ended.
func (s *session) Ended() <-chan struct{} { return s.worker.Done() }

// Ending says how the worker has ended while it was idle.
func (s *session) Ending() error {
	return fmt.Errorf("%w: the worker ended while it was idle (%s)", engine.ErrSessionLost, s.worker.How())
}

// Close kills the worker.
func (s *session) Close() error {
	var err error
	if s.worker != nil {
		err = s.worker.Close()
	}
	if s.gpu != protocol.NoGPU {
		s.backend.gpus.Release(s.gpu)
	}
	s.backend.pins.Release(s.cores)
	s.gpu, s.cores = protocol.NoGPU, nil
	return errors.Join(err, s.folder.remove())
}

// Run runs a batch of messages.
func (s *session) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	if s.lost != nil {
		return fmt.Errorf("%w: %w", engine.ErrSessionLost, s.lost)
	}
	b := newBatch(in)
	reply, err := s.worker.Predict(ctx, s.limit, b.messages, b.piece)
	if err == nil && reply.Code == statusOK {
		err = b.results(reply, out)
	}
	switch {
	case errors.Is(err, worker.ErrMessage):
		return err
	case err != nil:
		s.lost = err
		return fmt.Errorf("%w: %w", engine.ErrSessionLost, err)
	case reply.Code != statusOK:
		return &payload.StatusError{Status: legalStatus(reply.Code), Message: reply.Message, Cause: s.worker.Exception(causeTime)}
	}
	return nil
}

// causeTime is the longest wait for the exception of a batch that failed. The worker prints it before it answers, but to a pipe, which
// may be read later; for some failures it prints none.
const causeTime = 20 * time.Millisecond

// statusOK is the code of a batch that did not fail as a whole.
const statusOK = 200

// batch is a batch in the worker.
type batch struct {
	messages []*payload.Message
	rows     map[string]int // by ID
	pieces   [][]byte       // of streamed answers whose callers take them whole
	begun    []bool         // a piece has come
	stray    error          // a piece of an unknown request
}

func newBatch(in []payload.Row) *batch {
	b := &batch{rows: make(map[string]int, len(in)), pieces: make([][]byte, len(in)), begun: make([]bool, len(in))}
	for i := range in {
		m := payload.Message{}
		if in[i].Message != nil {
			m = *in[i].Message
		}
		if _, taken := b.rows[m.ID]; taken || m.ID == "" {
			m.ID = newID()
		}
		b.rows[m.ID] = i
		b.messages = append(b.messages, &m)
	}
	return b
}

// newID returns a random UUID, as TorchServe gives each request.
func newID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // it never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// piece passes the pieces of a reply on.
func (b *batch) piece(r *protocol.Reply) {
	for k := range r.Items {
		it := &r.Items[k]
		i, ok := b.rows[it.ID]
		if !ok {
			b.stray = fmt.Errorf("the worker sent a piece for an unknown request %q", it.ID)
			continue
		}
		stream := b.messages[i].Stream
		if stream == nil {
			b.pieces[i] = append(b.pieces[i], it.Body...)
			continue
		}
		if !b.begun[i] {
			b.begun[i] = true
			stream.Begin(*bytesOf(it))
		}
		if len(it.Body) > 0 {
			_ = stream.Write(it.Body) // the receiver may have left; the others of the batch have not
		}
	}
}

// results sets the results of all rows. An error means that the worker broke the protocol.
func (b *batch) results(r *protocol.Reply, out []payload.Result) error {
	if b.stray != nil {
		return b.stray
	}
	answered := make([]bool, len(out))
	for k := range r.Items {
		it := &r.Items[k]
		i, ok := b.rows[it.ID]
		if !ok || answered[i] {
			return fmt.Errorf("the worker answered an unknown request %q", it.ID)
		}
		answered[i] = true
		got := bytesOf(it)
		if n := len(b.pieces[i]); n > 0 {
			got.Body = append(b.pieces[i], it.Body...)
		}
		out[i] = payload.Result{Bytes: got}
		if it.Status != legalStatus(it.Status) {
			out[i] = payload.Result{Err: fmt.Errorf("the handler set the status %d; want one from %d to %d", it.Status, lowestStatus, highestStatus)}
		}
	}
	for i, ok := range answered {
		if !ok {
			return fmt.Errorf("the worker left request %d of a batch of %d unanswered", i+1, len(answered))
		}
	}
	return nil
}

// The statuses that can be sent as the status of an answer.
const (
	lowestStatus  = 200
	highestStatus = 599
)

// legalStatus returns 500 for a status that cannot be sent.
func legalStatus(status int) int {
	if status < lowestStatus || status > highestStatus {
		return 500
	}
	return status
}

// bytesOf converts an item.
func bytesOf(it *protocol.Item) *payload.Bytes {
	return &payload.Bytes{Status: it.Status, Type: it.Type, Header: it.Header, Body: it.Body}
}
