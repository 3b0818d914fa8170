package engine

import (
	"context"
	"sync/atomic"
	"time"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// A row's states. A row is waiting until a worker's batch takes it (taken) or its
// caller gives up (gone); who wins the swap decides.
const (
	waiting int32 = iota
	taken
	gone
)

// row is one row of a request inside the engine. Its fields belong to the
// submitter until it is queued, then to whoever holds the model's lock, then to the
// worker that runs it, and to the submitter again after done.
type row struct {
	payload.Row
	call    *call
	state   atomic.Int32
	arrived time.Duration // since the model's epoch
	taken   time.Duration
	timing  Timing
	result  payload.Result
}

// call is one request inside the engine.
type call struct {
	ctx  context.Context
	rows []row
	left atomic.Int32  // rows without a result
	done chan struct{} // capacity 1: the worker never waits for the caller

	one    [1]row          // the rows of nearly all
	item   [1]tensor.Item  // of Submit
	stream *payload.Stream // nil where the answer is wanted whole
}

// newCall takes a call from the model's pool. One given up by its caller never comes
// back to it, since a worker may still write to it.
func (s *Served) newCall(ctx context.Context) *call {
	c, ok := s.calls.Get().(*call)
	if !ok {
		c = &call{done: make(chan struct{}, 1)}
	}
	c.ctx = ctx
	return c
}

// fill makes the rows of r.
func (c *call) fill(r payload.Request) {
	n := r.Rows()
	c.rows = c.one[:]
	if n > 1 {
		c.rows = make([]row, n)
	}
	c.left.Store(int32(n))
	for i := range c.rows {
		w := &c.rows[i]
		w.call = c
		w.state.Store(waiting)
		if i < len(r.Items) {
			w.Item = r.Items[i]
		}
	}
	if !r.IsBytes() {
		return
	}
	if r.Streamed {
		c.stream = payload.NewStream()
	}
	// Its own memory: a session that does not end in time may read it for ever.
	c.one[0].Message = &payload.Message{Parts: r.Parts, Header: r.Header, ID: r.ID, Stream: c.stream}
}

func (s *Served) recycle(c *call) {
	w := &c.one[0]
	w.Row, w.call, w.timing, w.result = payload.Row{}, nil, Timing{}, payload.Result{}
	c.ctx, c.rows, c.item[0], c.stream = nil, nil, nil, nil
	s.calls.Put(c)
}

// finish gives the row its result, and the caller the answer with the last one. A
// stream that has begun carries the rest of the answer itself.
func (w *row) finish(r payload.Result) {
	c := w.call
	if c.stream != nil {
		c.stream.Finish(r)
	}
	w.result = r
	if c.left.Add(-1) == 0 {
		c.done <- struct{}{}
	}
}

// giveUp takes the rows that wait out of the run. It tells how many left, and
// whether all others are answered already.
func (c *call) giveUp() (left int, answered bool) {
	for i := range c.rows {
		if c.rows[i].state.CompareAndSwap(waiting, gone) {
			c.rows[i].Row = payload.Row{} // nobody will read it, though it is still in the queue
			left++
		}
	}
	if left > 0 {
		return left, false
	}
	select {
	case <-c.done:
		return 0, true
	default: // taken: the batch will answer, but nobody waits for it
		return 0, false
	}
}

// answer joins the results of the rows; outputs are appended to out. The first
// error of a row is the request's.
func (c *call) answer(out []tensor.Item) (payload.Answer, Timing, error) {
	var t Timing
	for i := range c.rows {
		w := &c.rows[i]
		if w.result.Err != nil {
			return payload.Answer{}, w.timing, w.result.Err
		}
		if w.timing.total() >= t.total() {
			t = w.timing
		}
		out = append(out, w.result.Outputs)
	}
	a := payload.Answer{Items: out, Bytes: c.rows[0].result.Bytes}
	if a.Bytes != nil {
		a.Items = nil
	}
	return a, t, nil
}

// fifo is a ring of rows that grows to what was ever needed.
type fifo struct {
	ring []*row
	head int
	n    int
}

func (q *fifo) push(w *row) {
	if q.n == len(q.ring) {
		grown := make([]*row, max(16, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = w
	q.n++
}

func (q *fifo) pop() *row {
	w := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return w
}

// purge drops the rows whose callers gave up, keeps the order of the others, and
// returns how many left.
func (q *fifo) purge(left func(*row)) int {
	removed := 0
	for range q.n {
		w := q.pop()
		if w.state.Load() == gone {
			left(w)
			removed++
			continue
		}
		q.push(w)
	}
	return removed
}
