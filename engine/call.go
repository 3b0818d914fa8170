package engine

import (
	"context"
	"sync/atomic"
	"time"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// The states of a row. A queued row is taken into a batch or abandoned by its caller,
// whichever swaps the state first.
const (
	rowQueued int32 = iota
	rowTaken
	rowAbandoned
)

// row is one row of a request inside the engine. Its fields belong to the caller until
// it is queued, then to the holder of the service's lock, then to the worker that runs
// it, and to the caller again after done.
type row struct {
	payload.Row
	call    *call
	state   atomic.Int32
	arrived time.Duration // since the service's epoch
	taken   time.Duration
	timing  Timing
	result  payload.Result
}

// call is one request inside the engine.
type call struct {
	ctx     context.Context
	rows    []row
	pending atomic.Int32  // rows without a result
	done    chan struct{} // capacity 1, so that the worker never waits for the caller

	one    [1]row          // the rows of a call with one row, as most have
	item   [1]tensor.Item  // of Submit
	stream *payload.Stream // nil if the caller takes the answer whole
}

// newCall takes a call from the service's pool. A call that its caller has abandoned
// never returns to the pool, because a worker may still write to it.
func (s *ModelService) newCall(ctx context.Context) *call {
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
	c.pending.Store(int32(n))
	for i := range c.rows {
		own := &c.rows[i]
		own.call = c
		own.state.Store(rowQueued)
		if i < len(r.Items) {
			own.Item = r.Items[i]
		}
	}
	if !r.IsBytes() {
		return
	}
	if r.Streamed {
		c.stream = payload.NewStream()
	}
	// Not reused: a session that exceeds its time may read the message for ever.
	c.one[0].Message = &payload.Message{Parts: r.Parts, Header: r.Header, ID: r.ID, Stream: c.stream}
}

func (s *ModelService) recycle(c *call) {
	r := &c.one[0]
	r.Row, r.call, r.timing, r.result = payload.Row{}, nil, Timing{}, payload.Result{}
	c.ctx, c.rows, c.item[0], c.stream = nil, nil, nil, nil
	s.calls.Put(c)
}

// finish sets the row's result. The last row of a call wakes the caller. A stream that
// has begun carries the rest of the answer itself.
func (r *row) finish(res payload.Result) {
	c := r.call
	if c.stream != nil {
		c.stream.Finish(res)
	}
	r.result = res
	if c.pending.Add(-1) == 0 {
		c.done <- struct{}{}
	}
}

// abandon marks the queued rows as abandoned. It returns how many there were, and
// whether all rows have been answered already.
func (c *call) abandon() (queued int, answered bool) {
	for i := range c.rows {
		if c.rows[i].state.CompareAndSwap(rowQueued, rowAbandoned) {
			c.rows[i].Row = payload.Row{} // free the memory; the row itself stays in the queue
			queued++
		}
	}
	if queued > 0 {
		return queued, false
	}
	select {
	case <-c.done:
		return 0, true
	default: // in a batch, whose answer nobody waits for
		return 0, false
	}
}

// answer joins the results of the rows and appends outputs to out. The first error of
// a row is the request's error.
func (c *call) answer(out []tensor.Item) (payload.Answer, Timing, error) {
	var t Timing
	for i := range c.rows {
		r := &c.rows[i]
		if r.result.Err != nil {
			return payload.Answer{}, r.timing, r.result.Err
		}
		if r.timing.total() >= t.total() {
			t = r.timing
		}
		out = append(out, r.result.Outputs)
	}
	a := payload.Answer{Items: out, Bytes: c.rows[0].result.Bytes}
	if a.Bytes != nil {
		a.Items = nil
	}
	return a, t, nil
}

// fifo is a ring buffer of rows that grows and never shrinks.
type fifo struct {
	ring []*row
	head int
	n    int
}

func (q *fifo) push(r *row) {
	if q.n == len(q.ring) {
		grown := make([]*row, max(16, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = r
	q.n++
}

func (q *fifo) pop() *row {
	r := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return r
}

// removeAbandoned removes the abandoned rows, calls f for each, and returns how many
// there were. The others keep their order.
func (q *fifo) removeAbandoned(f func(*row)) int {
	removed := 0
	for range q.n {
		r := q.pop()
		if r.state.Load() == rowAbandoned {
			f(r)
			removed++
			continue
		}
		q.push(r)
	}
	return removed
}
