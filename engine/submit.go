package engine

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/engine/batching"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Submit is Do for a request of one row of tensors: it returns the outputs and the
// times of the row.
func (s *ModelService) Submit(ctx context.Context, item tensor.Item) (tensor.Item, Timing, error) {
	c := s.newCall(ctx)
	c.item[0] = item
	c.fill(payload.Request{Items: c.item[:]})
	if streams, err := s.run(c, Ticket{}); streams || err != nil {
		return nil, Timing{}, err
	}
	r := &c.rows[0]
	out, t, err := r.result.Outputs, r.timing, r.result.Err
	s.recycle(c)
	return out, t, err
}

// Do runs a request and returns its answer and its times; of several rows it returns
// the times of the slowest. It appends outputs to out.
//
// It returns ErrQueueFull, ErrTooManyRows, ErrNoWorkers, ErrNotReady or ErrClosed at
// once, ErrExpired or the context's error when ctx ends first, and otherwise the error of
// the first row that has one. The contents of the request must not change until Do
// returns; after a context error they must never change. Do returns a streamed answer
// with its first piece; the answer continues until its Stream ends.
func (s *ModelService) Do(ctx context.Context, r payload.Request, out []tensor.Item) (payload.Answer, Timing, error) {
	return Ticket{service: s}.do(ctx, r, out)
}

// Ticket is the right to queue one request, given before the request's body is read
// and decoded. It is used once, by Do or by Release.
type Ticket struct {
	service *ModelService
	counted bool // in ModelService.admitted
}

// Admit gives a ticket before a request is decoded, so that the queue size also bounds
// the memory of the requests that are being decoded. Its errors are those that Do
// returns at once. A request that is being decoded counts as a queued one, or as one
// in the batch of an idle worker.
//
// Admit takes no lock when there is room, which is nearly always: it compares with the
// limit that the last change of the queue has stored. Concurrent calls may therefore
// admit a few requests too many; the queue itself never exceeds its size.
func (s *ModelService) Admit() (Ticket, error) {
	if s.admitted.Add(1) <= s.admitLimit.Load() {
		return Ticket{s, true}, nil
	}
	s.admitted.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.available(); err != nil {
		return Ticket{}, s.reject(err)
	}
	if int(s.admitted.Load()) >= s.admitCapacity() {
		return Ticket{}, s.refuse(1)
	}
	s.admitted.Add(1)
	return Ticket{s, true}, nil
}

// admitCapacity is how many requests may be in decoding now. The lock is held.
func (s *ModelService) admitCapacity() int {
	if s.available() != nil {
		return 0
	}
	return s.cfg.QueueSize + len(s.idle)*s.cfg.BatchSize - s.waitingRows()
}

// publishAdmitLimit stores the capacity for Admit. The lock is held.
func (s *ModelService) publishAdmitLimit() { s.admitLimit.Store(int64(s.admitCapacity())) }

// Release returns an unused ticket.
func (t Ticket) Release() {
	t.service.admitted.Add(-1)
	t.service.undecoded.Add(1)
}

// Do is ModelService.Do for the ticket's request.
func (t Ticket) Do(ctx context.Context, r payload.Request, out []tensor.Item) (payload.Answer, Timing, error) {
	return t.do(ctx, r, out)
}

func (t Ticket) do(ctx context.Context, r payload.Request, out []tensor.Item) (payload.Answer, Timing, error) {
	s := t.service
	if r.Rows() == 0 {
		if t.counted {
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

// run queues the call and waits until it is answered, or its answer has begun to
// stream. If it neither streams nor returns an error, the caller recycles the call.
func (s *ModelService) run(c *call, t Ticket) (streams bool, err error) {
	if err := s.enqueue(c, t); err != nil {
		s.recycle(c)
		return false, err
	}
	stream := c.stream
	if stream == nil { // a select with two cases is cheaper than one with three
		select {
		case <-c.done:
		case <-c.ctx.Done():
			return false, s.abandon(c)
		}
		return false, nil
	}
	select {
	case <-c.done:
	case <-stream.Begun():
	case <-c.ctx.Done():
		if err := s.abandon(c); err != nil {
			stream.Close()
			return false, err
		}
	}
	return stream.HasBegun(), nil
}

// abandon abandons a call whose context has ended. It returns nil if the call was
// answered just before.
func (s *ModelService) abandon(c *call) error {
	queued, answered := c.abandon()
	s.abandoned.Add(int64(queued))
	if answered {
		return nil
	}
	return abandonError(c.ctx)
}

func abandonError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrExpired
	}
	return ctx.Err()
}

// enqueue adds all rows of the call to the queue, or none.
func (s *ModelService) enqueue(c *call, t Ticket) error {
	n := len(c.rows)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.counted {
		s.admitted.Add(-1)
	}
	if err := s.available(); err != nil {
		return s.reject(err)
	}
	if n > 1 && n > s.cfg.QueueSize {
		s.count.rejected[RejectedTooManyRows]++
		return fmt.Errorf("%w: %d rows, queue_size is %d; send fewer at a time, or raise queue_size", ErrTooManyRows, n, s.cfg.QueueSize)
	}
	if s.waitingRows()+n > s.cfg.QueueSize {
		return s.refuse(n)
	}
	now := s.now()
	if int(s.abandoned.Load()) > s.cfg.QueueSize {
		s.stepCollector(now, batching.Event{Kind: batching.Removed, N: s.queue.removeAbandoned(s.countAbandoned)})
	}
	for i := range c.rows {
		c.rows[i].arrived = now
		s.queue.push(&c.rows[i])
	}
	s.count.accepted += int64(n)
	s.count.requests++
	s.stepCollector(now, batching.Event{Kind: batching.Arrived, N: n})
	return nil
}

// available returns why no request is accepted now, or nil. The lock is held.
func (s *ModelService) available() error {
	switch {
	case s.state == Unloading:
		return ErrClosed
	case s.state != Ready:
		return fmt.Errorf("%w: it is %s", ErrNotReady, s.state)
	case s.sessionErr != nil:
		return s.sessionErr
	case len(s.pool.workers) == 0:
		return ErrNoWorkers
	}
	return nil
}

// waitingRows counts the queued rows whose callers still wait. The lock is held. The
// abandoned rows stay in the queue, because a search for them at each refusal would
// cost time proportional to the queue's length.
func (s *ModelService) waitingRows() int { return s.queue.n - int(s.abandoned.Load()) }

// Waiting returns the number of queued rows whose callers still wait.
func (s *ModelService) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waitingRows()
}

// refuse counts n rows as refused and returns the error. The lock is held.
func (s *ModelService) refuse(n int) error {
	s.count.refused += int64(n)
	s.count.rejected[RejectedQueueFull]++
	if n == 1 {
		return fmt.Errorf("%w: %d requests wait (queue_size %d)", ErrQueueFull, s.waitingRows()+int(s.admitted.Load()), s.cfg.QueueSize)
	}
	return fmt.Errorf("%w: %d requests wait and %d rows came (queue_size %d)", ErrQueueFull, s.waitingRows(), n, s.cfg.QueueSize)
}
