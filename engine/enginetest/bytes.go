// Package enginetest has a backend for tests of the engine and of the packages above it.
// Its models take bytes and return bytes, whole or streamed, and its sessions can fail,
// hang and be lost.
//
// The part "body" of a row is a command:
//
//	text         returns the text in upper case
//	stream a b   streams a and b as pieces, then "."
//	fail         fails the row
//	fail batch   fails the whole batch
//	refuse 418 a fails the whole batch with a status and a text
//	id           returns the ID of the request, without a type
//	hang         never returns
//	die          loses the session
//	die after a  streams a, then loses the session
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// Name is the name of the backend in Model.Backend.
const Name = "enginetest"

// Backend opens sessions. Set its fields before it is used. The zero value opens an own
// session for each worker.
type Backend struct {
	Shared       bool                                   // one session serves all workers
	OnOpen       func(context.Context, int) error       // called before each opening with its number from 1; nil or no error allows it
	OnRun        func(rows int)                         // called in each run; the run takes as long as the call
	LosesSession func(run int) bool                     // whether a run, numbered from 1, loses the session; nil is never
	OnCheck      func(*engine.Model, knob.Config) error // called by Check; nil allows everything
	Measured     []engine.HandlerMetric                 // returned by HandlerMetrics

	opened atomic.Int64
	open   atomic.Int64
	runs   atomic.Int64
}

// Model returns a model of this backend.
func Model(name string) *engine.Model {
	return &engine.Model{
		Name: name, Version: "1.0", Source: "enginetest:" + name, SHA256: strings.Repeat("0", 64), Backend: Name,
		BatchAxis: true, BatchWhy: "rows are independent", Handler: &handler.Parts{}, Samples: []payload.Row{Row("sample")},
	}
}

// Row returns a row whose body is text.
func Row(text string) payload.Row {
	return payload.Row{Message: &payload.Message{Parts: []payload.Part{{Name: handler.WholeBody, Type: "text/plain", Data: []byte(text)}}}}
}

// Request returns a request of the row Row(text).
func Request(text string) payload.Request { return payload.Request{Parts: Row(text).Message.Parts} }

// Opened returns how many sessions have been opened so far.
func (b *Backend) Opened() int { return int(b.opened.Load()) }

// OpenNow returns how many sessions are open now.
func (b *Backend) OpenNow() int { return int(b.open.Load()) }

// Runs returns how many runs have begun.
func (b *Backend) Runs() int { return int(b.runs.Load()) }

// Check calls OnCheck, if it is set.
func (b *Backend) Check(m *engine.Model, c knob.Config) error {
	if b.OnCheck == nil {
		return nil
	}
	return b.OnCheck(m, c)
}

// HandlerMetrics returns Measured.
func (b *Backend) HandlerMetrics(*engine.Model) []engine.HandlerMetric { return b.Measured }

// Open opens a session, if OnOpen allows it.
func (b *Backend) Open(ctx context.Context, m *engine.Model, _ knob.Config) (engine.Session, error) {
	n := int(b.opened.Add(1))
	if b.OnOpen != nil {
		if err := b.OnOpen(ctx, n); err != nil {
			return nil, err
		}
	}
	b.open.Add(1)
	s := &session{backend: b, model: m}
	s.lost, s.lose = context.WithCancel(context.Background())
	return s, nil
}

type session struct {
	backend *Backend
	model   *engine.Model
	lost    context.Context // ends when the session is lost or closed
	lose    context.CancelFunc
	closed  atomic.Bool
}

// Shared reports whether one session serves all workers.
func (s *session) Shared() bool { return s.backend.Shared }

// Close closes the session. A second call is an error.
func (s *session) Close() error {
	if s.closed.Swap(true) {
		return errors.New("enginetest: closed twice")
	}
	s.lose()
	s.backend.open.Add(-1)
	return nil
}

// Run executes the commands of the rows.
func (s *session) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	if s.closed.Load() {
		return errors.New("enginetest: a run of a closed session")
	}
	if s.lost.Err() != nil {
		return fmt.Errorf("%w: it was lost before", engine.ErrSessionLost)
	}
	n := int(s.backend.runs.Add(1))
	if s.backend.OnRun != nil {
		s.backend.OnRun(len(in))
	}
	if s.backend.LosesSession != nil && s.backend.LosesSession(n) {
		s.lose()
		return fmt.Errorf("%w: this run loses it", engine.ErrSessionLost)
	}
	for i, row := range in {
		if err := s.runRow(ctx, row, &out[i]); err != nil {
			return err
		}
	}
	return nil
}

// runRow executes the command of a row. An error fails the whole batch.
func (s *session) runRow(ctx context.Context, row payload.Row, out *payload.Result) error {
	part, _ := row.Message.Part(handler.WholeBody)
	stream := row.Message.Stream
	word, rest, _ := strings.Cut(string(part.Data), " ")
	switch {
	case word == "fail" && rest == "batch":
		return errors.New("the batch failed")
	case word == "refuse":
		code, message, _ := strings.Cut(rest, " ")
		status, err := strconv.Atoi(code)
		if err != nil {
			return err
		}
		return &payload.StatusError{Status: status, Message: message}
	case word == "id":
		out.Bytes = &payload.Bytes{Body: []byte(row.Message.ID)}
		return nil
	case word == "fail":
		out.Err = errors.New("the row failed")
		return nil
	case word == "hang":
		<-s.lost.Done()
		return ctx.Err()
	case word == "die":
		if _, text, ok := strings.Cut(rest, "after "); ok && stream != nil {
			_ = stream.Write([]byte(text)) // the receiver may have left
		}
		s.lose()
		return fmt.Errorf("%w: by request", engine.ErrSessionLost)
	case word == "stream" && stream != nil:
		stream.Begin(payload.Bytes{Status: 200, Type: "text/plain"})
		for piece := range strings.SplitSeq(rest, " ") {
			if err := stream.Write([]byte(piece)); err != nil {
				out.Err = err
				return nil
			}
		}
		out.Bytes = &payload.Bytes{Body: []byte(".")}
		return nil
	}
	out.Bytes = &payload.Bytes{
		Status: 200, Type: "text/plain", Body: bytes.ToUpper(part.Data),
		Header: []payload.Field{{Name: "X-Model", Value: s.model.Name}},
	}
	return nil
}
