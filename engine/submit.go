package engine

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/engine/batching"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Submit runs one item and returns its outputs and where its time went: it is Do
// for a request of one row of tensors.
func (s *Served) Submit(ctx context.Context, item tensor.Item) (tensor.Item, Timing, error) {
	c := s.newCall(ctx)
	c.item[0] = item
	c.fill(payload.Request{Items: c.item[:]})
	if streams, err := s.run(c, Ticket{}); streams || err != nil {
		return nil, Timing{}, err
	}
	w := &c.rows[0]
	out, t, err := w.result.Outputs, w.timing, w.result.Err
	s.recycle(c)
	return out, t, err
}

// Do runs a request and returns its answer and where its time went, of several rows
// that of the one which took longest. Outputs are appended to out.
//
// It returns ErrQueueFull, ErrTooManyRows, ErrNoWorkers, ErrNotReady or ErrClosed at
// once, ErrExpired or the context's error when ctx ends first, and else the error of
// the first row that has one. What the request holds must stay unchanged until Do
// returns; after a context error, for ever. A streamed answer is returned with its
// first piece, and goes on until its Stream ends.
func (s *Served) Do(ctx context.Context, r payload.Request, out []tensor.Item) (payload.Answer, Timing, error) {
	return Ticket{served: s}.do(ctx, r, out)
}

// Ticket is a place in the queue for a request whose body is still to be read and
// decoded. It is used once: Do or Release.
type Ticket struct {
	served *Served
	held   bool // it is counted in Served.admitted
}

// Admit asks for a place before the work of decoding is done, so that the memory of
// what is decoded is bounded by the queue. Its errors are those that Do returns at
// once. A request that is being decoded counts as one that waits, or as one in the
// batch of an idle worker.
//
// Nearly always there is room, and no lock is taken to see it: the places are as the
// last change of the queue left them. Those who come at one moment may be a few more
// than there are places; the queue itself is never longer than it may be.
func (s *Served) Admit() (Ticket, error) {
	if s.admitted.Add(1) <= s.places.Load() {
		return Ticket{s, true}, nil
	}
	s.admitted.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.available(); err != nil {
		return Ticket{}, err
	}
	if int(s.admitted.Load()) >= s.room() {
		return Ticket{}, s.refuse(1)
	}
	s.admitted.Add(1)
	return Ticket{s, true}, nil
}

// room is how many requests may be decoded at a time now. The lock is held.
func (s *Served) room() int {
	if s.available() != nil {
		return 0
	}
	return s.cfg.QueueSize + len(s.idle)*s.cfg.BatchSize - s.waits()
}

// showRoom lets Admit know the room. The lock is held.
func (s *Served) showRoom() { s.places.Store(int64(s.room())) }

// Release gives the place back without a request.
func (t Ticket) Release() { t.served.admitted.Add(-1) }

// Do is Served.Do with the ticket's place.
func (t Ticket) Do(ctx context.Context, r payload.Request, out []tensor.Item) (payload.Answer, Timing, error) {
	return t.do(ctx, r, out)
}

func (t Ticket) do(ctx context.Context, r payload.Request, out []tensor.Item) (payload.Answer, Timing, error) {
	s := t.served
	if r.Rows() == 0 {
		if t.held {
			t.Release()
		}
		return payload.Answer{}, Timing{}, errors.New("a request without rows")
	}
	c := s.newCall(ctx)
	c.fill(r)
	streams, err := s.run(c, t)
	if err != nil {
		return payload.Answer{}, Timing{}, err
	}
	if stream := c.stream; streams {
		head := stream.Head()
		return payload.Answer{Bytes: &head, Stream: stream}, Timing{}, nil
	}
	a, timing, err := c.answer(out)
	s.recycle(c)
	return a, timing, err
}

// run queues the call and waits until it is answered, or has begun to stream its
// answer. The call is recycled by the caller if neither streams nor err says
// otherwise.
func (s *Served) run(c *call, t Ticket) (streams bool, err error) {
	if err := s.enqueue(c, t); err != nil {
		s.recycle(c)
		return false, err
	}
	stream := c.stream
	if stream == nil { // a select of two costs less than one of three
		select {
		case <-c.done:
		case <-c.ctx.Done():
			return false, s.giveUp(c)
		}
		return false, nil
	}
	select {
	case <-c.done:
	case <-stream.Begun():
	case <-c.ctx.Done():
		if err := s.giveUp(c); err != nil {
			stream.Close()
			return false, err
		}
	}
	return stream.HasBegun(), nil
}

// giveUp leaves a call whose context has ended; without an error it was answered just
// before.
func (s *Served) giveUp(c *call) error {
	left, answered := c.giveUp()
	s.gone.Add(int64(left))
	if answered {
		return nil
	}
	return gaveUp(c.ctx)
}

func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrExpired
	}
	return ctx.Err()
}

// enqueue puts all rows of the call into the queue, or none.
func (s *Served) enqueue(c *call, t Ticket) error {
	n := len(c.rows)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.held {
		s.admitted.Add(-1)
	}
	if err := s.available(); err != nil {
		return err
	}
	if n > 1 && n > s.cfg.QueueSize {
		return fmt.Errorf("%w: %d rows, queue_size is %d; send fewer at a time, or raise queue_size", ErrTooManyRows, n, s.cfg.QueueSize)
	}
	if s.waits()+n > s.cfg.QueueSize {
		return s.refuse(n)
	}
	now := s.now()
	if gone := int(s.gone.Load()); gone > s.cfg.QueueSize {
		s.advance(now, batching.Event{Kind: batching.Left, N: s.queue.purge(s.leave)})
	}
	for i := range c.rows {
		c.rows[i].arrived = now
		s.queue.push(&c.rows[i])
	}
	s.count.accepted += int64(n)
	s.advance(now, batching.Event{Kind: batching.Arrived, N: n})
	return nil
}

// available tells whether requests are taken at all. The lock is held.
func (s *Served) available() error {
	switch {
	case s.state == Unloading:
		return ErrClosed
	case s.state != Ready:
		return fmt.Errorf("%w: it is %s", ErrNotReady, s.state)
	case s.stranded != nil:
		return s.stranded
	case len(s.pool.workers) == 0:
		return ErrNoWorkers
	}
	return nil
}

// waits is how many rows wait whose callers wait too. The lock is held. Those who
// left are still in the queue: to look for them at each refusal would cost as much
// as the queue is long.
func (s *Served) waits() int { return s.queue.n - int(s.gone.Load()) }

// refuse counts n rows that found no place. The lock is held.
func (s *Served) refuse(n int) error {
	s.count.refused += int64(n)
	if n == 1 {
		return fmt.Errorf("%w: %d requests wait (queue_size %d)", ErrQueueFull, s.waits()+int(s.admitted.Load()), s.cfg.QueueSize)
	}
	return fmt.Errorf("%w: %d requests wait and %d rows came (queue_size %d)", ErrQueueFull, s.waits(), n, s.cfg.QueueSize)
}
