package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

// Served is one model in service: its queue, its workers and its settings.
//
// The contract of Submit: a request is refused at once when queue size requests
// wait; it waits in arrival order; it leaves the queue unexecuted when its
// context ends; else it runs in one batch formed by the batching rule, and its
// error is its own: a batch that fails is retried item by item.
type Served struct {
	model   *Model
	backend Backend
	cores   int
	memory  int64 // the container's, 0 if unknown
	log     *slog.Logger
	epoch   time.Time
	life    context.Context // ends when the model is torn down
	end     context.CancelFunc
	jobs    sync.Pool // answered jobs, for reuse

	applying sync.Mutex // one Apply at a time; taken before mu, held while waiting

	mu     sync.Mutex // guards everything below; never held while waiting
	cfg    knob.Config
	col    *batching.Collector
	queue  fifo
	open   []*job // the open batch
	idle   []*worker
	pool   *pool
	alarm  alarm
	flying int // requests taken and not answered
	closed bool
	count  counters

	working bool          // something waits or flies
	since   time.Duration // the moment at which that began
}

func newServed(m *Model, b Backend, c knob.Config, o Options) *Served {
	s := &Served{model: m, backend: b, cores: o.Cores, memory: o.MemoryBytes, log: o.Log, cfg: c, epoch: time.Now()}
	s.life, s.end = context.WithCancel(context.Background())
	s.col = batching.New(rule(c))
	s.count.sizes = map[int]int64{}
	s.alarm = newAlarm(s.tick)
	return s
}

func rule(c knob.Config) batching.Config {
	r := batching.TorchServe
	if c.Rule == knob.Eager {
		r = batching.Eager
	}
	return batching.Config{Rule: r, Size: c.BatchSize, Delay: c.BatchDelay}
}

// Model returns the model, which is never changed.
func (s *Served) Model() *Model { return s.model }

// Config returns the settings and options in force.
func (s *Served) Config() knob.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

// Limits returns what the settings are held against.
func (s *Served) Limits() knob.Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return limits(s.model, s.cfg.Rule, s.cores)
}

func limits(m *Model, r knob.Rule, cores int) knob.Limits {
	return knob.Limits{Rule: r, Cores: cores, BatchAxis: m.BatchAxis, BatchWhy: m.BatchWhy, Places: m.Places}
}

// Submit runs one item and returns its outputs and where its time went. It
// returns ErrQueueFull or ErrClosed at once, ErrExpired or the context's error
// when ctx ends first, and else the item's own error. The item must stay
// unchanged until Submit returns; after a context error, for ever.
func (s *Served) Submit(ctx context.Context, item tensor.Item) (tensor.Item, Timing, error) {
	j := s.newJob(ctx, item)
	if err := s.enqueue(j); err != nil {
		s.recycle(j)
		return nil, Timing{}, err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, gone) {
			return nil, Timing{}, gaveUp(ctx)
		}
		// Taken: the batch will answer, but nobody waits for it.
		select {
		case <-j.done:
		default:
			return nil, Timing{}, gaveUp(ctx)
		}
	}
	r, t := j.result, j.timing
	s.recycle(j)
	return r.Outputs, t, r.Err
}

func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrExpired
	}
	return ctx.Err()
}

func (s *Served) enqueue(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.queue.n >= s.cfg.QueueSize {
		s.drive(batching.Event{Kind: batching.Left, N: s.queue.purge(s.leave)})
	}
	if s.queue.n >= s.cfg.QueueSize {
		s.count.refused++
		return fmt.Errorf("%w: %d requests wait (queue_size %d)", ErrQueueFull, s.queue.n, s.cfg.QueueSize)
	}
	j.arrived = s.now()
	s.queue.push(j)
	s.count.accepted++
	s.drive(batching.Event{Kind: batching.Arrived})
	return nil
}

func (s *Served) now() time.Duration { return time.Since(s.epoch) }

// drive steps the collector with e and does what it says. The lock is held.
func (s *Served) drive(e batching.Event) {
	now := s.now()
	a := s.col.Step(now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			a = s.col.Step(now, s.take(now))
			continue
		}
		s.send(now)
		a = s.col.Step(now, batching.Event{Kind: batching.Sent})
	}
	s.alarm.set(now, a.Wake)
	s.punch(now)
}

// take moves the queue's head into the open batch, or drops it if its caller
// has gone.
func (s *Served) take(now time.Duration) batching.Event {
	j := s.queue.pop()
	if j.ctx.Err() != nil || !j.state.CompareAndSwap(waiting, taken) {
		s.leave(j)
		return batching.Event{Kind: batching.Dropped}
	}
	j.taken = now
	s.open = append(s.open, j)
	s.flying++
	return batching.Event{Kind: batching.Took, Arrival: j.arrived}
}

// leave counts a request that left the queue unexecuted.
func (s *Served) leave(j *job) {
	if errors.Is(j.ctx.Err(), context.DeadlineExceeded) {
		s.count.expired++
		return
	}
	s.count.cancelled++
}

// send gives the open batch to the worker that became idle last: its caches are
// the warmest. The worker's old slice becomes the next open batch.
func (s *Served) send(now time.Duration) {
	last := len(s.idle) - 1
	w := s.idle[last]
	s.idle = s.idle[:last]
	for _, j := range s.open {
		j.timing.Queue = j.taken - j.arrived
		j.timing.Formation = now - j.taken
		s.count.queue += j.timing.Queue
		s.count.formation += j.timing.Formation
	}
	w.batch, s.open = s.open, w.batch[:0]
	w.work <- struct{}{} // capacity 1, and the worker is idle
}

func (s *Served) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarm.rang()
	s.drive(batching.Event{Kind: batching.Timer})
}

// close refuses newcomers, waits until ctx ends for what is under way, and ends
// the workers.
func (s *Served) close(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.mu.Lock()
	s.closed = true
	p := s.pool
	s.mu.Unlock()
	err := s.drained(ctx)
	s.mu.Lock()
	s.abandon()
	s.alarm.end()
	if p != nil {
		s.retire(p, len(p.workers))
	}
	s.mu.Unlock()
	s.end()
	if p != nil {
		return errors.Join(err, p.close())
	}
	return err
}

// abandon answers what no worker will run any more. The lock is held.
func (s *Served) abandon() {
	for s.queue.n > 0 {
		j := s.queue.pop()
		if j.state.CompareAndSwap(waiting, taken) {
			j.finish(Result{Err: ErrClosed})
		}
	}
	for i, j := range s.open {
		j.finish(Result{Err: ErrClosed})
		s.open[i] = nil
	}
	s.flying -= len(s.open)
	s.open = s.open[:0]
	s.punch(s.now())
	s.col = batching.New(rule(s.cfg)) // it knows of requests that are gone
}

// drained waits until nothing is queued or flying.
func (s *Served) drained(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		left := s.queue.n + s.flying
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("close %s: %d requests left: %w", s.model.Name, left, context.Cause(ctx))
		}
	}
}
