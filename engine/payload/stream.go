package payload

import (
	"context"
	"errors"
	"io"
	"sync"
)

// maxPending limits the bytes of a streamed answer that wait for the receiver.
const maxPending = 16 << 20

// Errors that end a stream early.
var (
	ErrReceiverLeft = errors.New("the receiver of the answer has left")
	ErrReceiverSlow = errors.New("the receiver of the answer does not keep up")
)

// Stream passes the pieces of an answer from a session to the receiver. The session never
// waits for the receiver, because it also runs the other rows of the batch. One goroutine
// writes and one reads.
type Stream struct {
	begun chan struct{} // closed at the first piece or at the end
	more  chan struct{} // capacity 1: wakes the reader

	mu      sync.Mutex // guards all below
	head    Bytes
	pieces  [][]byte
	pending int  // bytes in pieces
	first   bool // begun is closed
	ended   bool
	left    bool
	err     error
}

// NewStream returns a stream that nothing has been written to.
func NewStream() *Stream {
	return &Stream{begun: make(chan struct{}), more: make(chan struct{}, 1)}
}

// Begin sets the status, type and headers of the answer. After the first Write it has no
// effect.
func (s *Stream) Begin(head Bytes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.first {
		s.head = head
		s.head.Body = nil
	}
}

// Write adds a piece and keeps it. It never waits. An error means that nobody will read
// the piece, so that the session may stop.
func (s *Stream) Write(piece []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.left:
		return ErrReceiverLeft
	case s.ended:
		return io.ErrClosedPipe
	case s.pending+len(piece) > maxPending:
		s.end(ErrReceiverSlow)
		return ErrReceiverSlow
	}
	s.pieces = append(s.pieces, piece)
	s.pending += len(piece)
	s.wakeReader()
	return nil
}

// End ends the stream, with err if that is not nil. The engine calls it when the row has
// its result.
func (s *Stream) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(err)
}

func (s *Stream) end(err error) {
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	s.wakeReader()
}

// wakeReader wakes the reader. The lock is held.
func (s *Stream) wakeReader() {
	if !s.first {
		s.first = true
		close(s.begun)
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Begun returns a channel that is closed at the first piece or at the end.
func (s *Stream) Begun() <-chan struct{} { return s.begun }

// Head returns the status, type and headers of the answer; it is complete once Begun is
// closed.
func (s *Stream) Head() Bytes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// Next returns the next piece. After the last one it returns io.EOF, or the error that
// ended the stream.
func (s *Stream) Next(ctx context.Context) ([]byte, error) {
	for {
		piece, done, err := s.nextPiece()
		if piece != nil || done {
			return piece, err
		}
		select {
		case <-s.more:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (s *Stream) nextPiece() (piece []byte, done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pieces) > 0 {
		piece, s.pieces = s.pieces[0], s.pieces[1:]
		s.pending -= len(piece)
		return piece, len(piece) == 0, nil
	}
	if !s.ended {
		return nil, false, nil
	}
	if s.err != nil {
		return nil, true, s.err
	}
	return nil, true, io.EOF
}

// Close makes later writes fail with ErrReceiverLeft.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.pieces, s.pending = true, nil, 0
}

// Finish ends a stream that has begun: the body of the row's result is the last piece, or
// its error ends the stream. It does not change a stream that has not begun, because then
// the result is the whole answer.
func (s *Stream) Finish(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.first {
		return
	}
	if r.Err == nil && r.Bytes != nil && len(r.Bytes.Body) > 0 && !s.left && !s.ended {
		s.pieces = append(s.pieces, r.Bytes.Body)
		s.pending += len(r.Bytes.Body)
	}
	s.end(r.Err)
}

// HasBegun reports whether Begun is closed.
func (s *Stream) HasBegun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}
