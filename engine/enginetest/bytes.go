// Package enginetest holds a backend for tests of whatever stands on the engine: its
// models take parts of bytes and give bytes, whole or in pieces, as those of other
// runtimes do, and its sessions can be made to fail, to hang and to die.
//
// What a row asks for is in its part "body":
//
//	text         is answered with itself in upper case
//	stream a b   is answered with a and b in pieces, then with "."
//	fail         fails its row
//	fail batch   fails its whole batch
//	hang         never ends
//	die          loses the session
//	die after a  streams a, and loses the session
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// Name is what Model.Backend calls the backend.
const Name = "enginetest"

// Backend opens sessions. Its fields are set before it is used; the zero value opens
// sessions of which each worker has its own.
type Backend struct {
	Shares bool                                   // one session serves all workers
	Opens  func(context.Context, int) error       // asked before each opening, counted from 1; nil allows it
	Loses  func(run int) bool                     // whether a run, counted from 1, loses the session; nil loses none
	Takes  func(rows int)                         // called in each run, as its time; nil takes none
	Vets   func(*engine.Model, knob.Config) error // nil allows everything

	opened atomic.Int64
	open   atomic.Int64
	runs   atomic.Int64
}

// Model is a model of this backend called name.
func Model(name string) *engine.Model {
	return &engine.Model{
		Name: name, Version: "1.0", Source: "enginetest:" + name, SHA256: strings.Repeat("0", 64), Backend: Name,
		BatchAxis: true, BatchWhy: "rows are independent", Handler: &handler.Parts{}, Samples: []payload.Row{Row("sample")},
	}
}

// Row is a row that asks for something.
func Row(text string) payload.Row {
	return payload.Row{Message: &payload.Message{Parts: []payload.Part{{Name: handler.WholeBody, Type: "text/plain", Data: []byte(text)}}}}
}

// Request is a request of that row.
func Request(text string) payload.Request { return payload.Request{Parts: Row(text).Message.Parts} }

// Opened is how many sessions have been opened so far.
func (b *Backend) Opened() int { return int(b.opened.Load()) }

// OpenNow is how many sessions are open.
func (b *Backend) OpenNow() int { return int(b.open.Load()) }

// Runs is how many batches have begun.
func (b *Backend) Runs() int { return int(b.runs.Load()) }

// Vet asks Vets.
func (b *Backend) Vet(m *engine.Model, c knob.Config) error {
	if b.Vets == nil {
		return nil
	}
	return b.Vets(m, c)
}

// Open opens a session, if Opens allows it.
func (b *Backend) Open(ctx context.Context, m *engine.Model, _ knob.Config) (engine.Session, error) {
	n := int(b.opened.Add(1))
	if b.Opens != nil {
		if err := b.Opens(ctx, n); err != nil {
			return nil, err
		}
	}
	b.open.Add(1)
	s := &session{backend: b, model: m}
	s.dead, s.kill = context.WithCancel(context.Background())
	return s, nil
}

type session struct {
	backend *Backend
	model   *engine.Model
	dead    context.Context
	kill    context.CancelFunc
	closed  atomic.Bool
}

// Shared tells whether one session serves all workers.
func (s *session) Shared() bool { return s.backend.Shares }

// Close frees the session, once.
func (s *session) Close() error {
	if s.closed.Swap(true) {
		return errors.New("enginetest: closed twice")
	}
	s.kill()
	s.backend.open.Add(-1)
	return nil
}

// Run does what the rows ask for.
func (s *session) Run(ctx context.Context, in []payload.Row, out []payload.Result) error {
	if s.closed.Load() {
		return errors.New("enginetest: a run of a closed session")
	}
	if s.dead.Err() != nil {
		return fmt.Errorf("%w: it died before", engine.ErrSessionLost)
	}
	n := int(s.backend.runs.Add(1))
	if s.backend.Takes != nil {
		s.backend.Takes(len(in))
	}
	if s.backend.Loses != nil && s.backend.Loses(n) {
		s.kill()
		return fmt.Errorf("%w: it died", engine.ErrSessionLost)
	}
	for i, row := range in {
		if err := s.one(ctx, row, &out[i]); err != nil {
			return err
		}
	}
	return nil
}

// one does what a row asks for. An error is the whole batch's.
func (s *session) one(ctx context.Context, row payload.Row, out *payload.Result) error {
	part, _ := row.Message.Part(handler.WholeBody)
	stream := row.Message.Stream
	word, rest, _ := strings.Cut(string(part.Data), " ")
	switch {
	case word == "fail" && rest == "batch":
		return errors.New("the batch failed")
	case word == "fail":
		out.Err = errors.New("the row failed")
		return nil
	case word == "hang":
		<-s.dead.Done()
		return ctx.Err()
	case word == "die":
		if _, text, ok := strings.Cut(rest, "after "); ok && stream != nil {
			_ = stream.Write([]byte(text)) // nobody may be left to read it
		}
		s.kill()
		return fmt.Errorf("%w: it was told to die", engine.ErrSessionLost)
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
