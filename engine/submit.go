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
	held   bool // counted in Served.admitted
}

// Admit asks for a place before the work of decoding is done, so that the memory of
// what is decoded is bounded by the queue. Its errors are those that Do returns at
// once. A request that is being decoded counts as one that waits, or as one in the
// batch of an idle worker.
func (s *Served) Admit() (Ticket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.available(); err != nil {
		return Ticket{}, err
	}
	if s.waits()+s.admitted >= s.cfg.QueueSize+len(s.idle)*s.cfg.BatchSize {
		return Ticket{}, s.refuse(1)
	}
	s.admitted++
	return Ticket{s, true}, nil
}

// Release gives the place back without a request.
func (t Ticket) Release() {
	t.served.mu.Lock()
	t.served.admitted--
	t.served.mu.Unlock()
}

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
	if stream := c.rows[0].Stream; streams {
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
	stream := c.rows[0].Stream
	var begun <-chan struct{} // nil: never
	if stream != nil {
		begun = stream.Begun()
	}
	select {
	case <-c.done:
	case <-begun:
	case <-c.ctx.Done():
		left, answered := c.giveUp()
		s.gone.Add(int64(left))
		if !answered {
			if stream != nil {
				stream.Close()
			}
			return false, gaveUp(c.ctx)
		}
	}
	return stream != nil && stream.HasBegun(), nil
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
		s.admitted--
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
	if gone := int(s.gone.Load()); gone > s.cfg.QueueSize {
		s.advance(batching.Event{Kind: batching.Left, N: s.queue.purge(s.leave)})
	}
	now := s.now()
	for i := range c.rows {
		c.rows[i].arrived = now
		s.queue.push(&c.rows[i])
	}
	s.count.accepted += int64(n)
	s.advance(batching.Event{Kind: batching.Arrived, N: n})
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
		return fmt.Errorf("%w: %d requests wait (queue_size %d)", ErrQueueFull, s.waits()+s.admitted, s.cfg.QueueSize)
	}
	return fmt.Errorf("%w: %d requests wait and %d rows came (queue_size %d)", ErrQueueFull, s.waits(), n, s.cfg.QueueSize)
}
