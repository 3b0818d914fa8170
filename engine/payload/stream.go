package payload

import (
	"context"
	"errors"
	"io"
	"sync"
)

// mostPending is how many bytes of a streamed answer may wait for their receiver.
const mostPending = 16 << 20

// What ends a stream before its time.
var (
	ErrReceiverLeft = errors.New("the receiver of the answer has left")
	ErrReceiverSlow = errors.New("the receiver of the answer does not keep up")
)

// Stream carries an answer in pieces from a session, which never waits for the
// receiver: it is the batch's, and other rows ride in it. One goroutine writes and
// one reads.
type Stream struct {
	begun chan struct{} // closed by the first piece, or the end
	more  chan struct{} // capacity 1: something new for the reader

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

// Begin says with what status, type and headers the answer goes out. It may be
// called before the first Write; later it changes nothing.
func (s *Stream) Begin(head Bytes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.first {
		s.head = head
		s.head.Body = nil
	}
}

// Write hands over a piece, which it keeps. It never waits; an error says that
// nobody will read it, and that the session need not go on.
func (s *Stream) Write(piece []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.left:
		return ErrReceiverLeft
	case s.ended:
		return io.ErrClosedPipe
	case s.pending+len(piece) > mostPending:
		s.end(ErrReceiverSlow)
		return ErrReceiverSlow
	}
	s.pieces = append(s.pieces, piece)
	s.pending += len(piece)
	s.news()
	return nil
}

// End says that nothing follows, because of err if that is not nil. The engine
// calls it when the row has its result.
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
	s.news()
}

// news wakes the reader. The lock is held.
func (s *Stream) news() {
	if !s.first {
		s.first = true
		close(s.begun)
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Begun is closed when there is something to read, or nothing will be.
func (s *Stream) Begun() <-chan struct{} { return s.begun }

// Head is the status, type and headers of the answer; it is complete once Begun is
// closed.
func (s *Stream) Head() Bytes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// Next returns the next piece. At the end it returns io.EOF, or why the answer
// broke off; what was written before comes first.
func (s *Stream) Next(ctx context.Context) ([]byte, error) {
	for {
		piece, done, err := s.take()
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

func (s *Stream) take() (piece []byte, done bool, err error) {
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

// Close tells the writer that nobody reads any more.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.pieces, s.pending = true, nil, 0
}

// Finish ends a stream that has begun, with the body of the row's result as its
// last piece or with its error. It leaves one that has not begun alone: the result
// is the whole answer.
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

// HasBegun tells whether there is something to read, or nothing will be.
func (s *Stream) HasBegun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}
