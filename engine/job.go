package engine

import (
	"context"
	"sync/atomic"
	"time"

	"sweetspot/engine/tensor"
)

// A job's states. A job is waiting until a worker's batch takes it (taken) or
// its caller gives up (gone); who wins the swap decides.
const (
	waiting int32 = iota
	taken
	gone
)

// job is one request inside the engine. Its fields belong to the submitter
// until it is queued, then to whoever holds the model's lock, then to the
// worker that runs it, and to the submitter again after done.
type job struct {
	ctx     context.Context
	item    tensor.Item
	state   atomic.Int32
	arrived time.Duration // since the model's epoch
	taken   time.Duration
	timing  Timing
	result  Result
	done    chan struct{} // capacity 1: the worker never waits for the caller
}

// newJob takes a job from the model's pool. A job given up by its caller never
// comes back to it, since a worker may still write to it.
func (s *Served) newJob(ctx context.Context, item tensor.Item) *job {
	j, ok := s.jobs.Get().(*job)
	if !ok {
		j = &job{done: make(chan struct{}, 1)}
	}
	j.ctx, j.item = ctx, item
	j.state.Store(waiting)
	return j
}

func (s *Served) recycle(j *job) {
	j.ctx, j.item, j.result, j.timing = nil, nil, Result{}, Timing{}
	s.jobs.Put(j)
}

// finish hands the answer to the caller.
func (j *job) finish(r Result) {
	j.result = r
	j.done <- struct{}{}
}

// fifo is a ring of jobs that grows to what was ever needed.
type fifo struct {
	ring []*job
	head int
	n    int
}

func (q *fifo) push(j *job) {
	if q.n == len(q.ring) {
		grown := make([]*job, max(16, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = j
	q.n++
}

func (q *fifo) pop() *job {
	j := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return j
}

// purge drops the jobs whose callers gave up, keeps the order of the others,
// and returns how many left.
func (q *fifo) purge(left func(*job)) int {
	removed := 0
	for range q.n {
		j := q.pop()
		if j.state.Load() == gone {
			left(j)
			removed++
			continue
		}
		q.push(j)
	}
	return removed
}
