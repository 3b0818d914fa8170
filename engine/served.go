package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// Served is one version of a model in service: its queue, its workers and its
// settings.
//
// The contract of a request: it is refused at once when all its rows do not fit into
// the queue; its rows wait in arrival order; they leave the queue unexecuted when
// its context ends; else each runs in one batch formed by the batching rule, and its
// error is its own: a batch of tensors that fails is retried row by row. A session
// that is lost fails the batch in it, and another one is opened.
type Served struct {
	engine  *Engine
	model   *Model
	backend Backend
	cores   int
	memory  int64 // the container's, 0 if unknown
	log     *slog.Logger
	epoch   time.Time
	life    context.Context // ends when the model is torn down
	end     context.CancelFunc
	calls   sync.Pool // answered ones, for reuse

	changes chan struct{}      // capacity 1, holds what one change takes; taken before mu
	calling context.Context    // of changes; ends when the model is to be closed
	callOff context.CancelFunc // ends calling
	loaded  chan struct{}      // closed at the end of Loading; loadErr is then set
	loadErr error

	gone     atomic.Int64 // rows in the queue whose callers have left; may be off by what happens now
	admitted atomic.Int64 // requests that are being decoded
	places   atomic.Int64 // how many may be, as showRoom has last seen it

	decoding, encoding atomic.Int64 // ns, of all requests

	mu       sync.Mutex // guards everything below; never held while waiting
	state    State
	cfg      knob.Config
	least    int // workers that were asked for, as most
	most     int
	col      *batching.Collector
	queue    fifo
	open     []*row // the open batch
	idle     []*worker
	pool     *pool
	stranded error // why no worker can run anything; nil if one can, or there is none
	alarm    alarm
	inFlight int // rows taken and not answered
	count    counters

	lastFailure time.Duration // when a failed batch was logged

	working bool          // something waits or is in flight
	since   time.Duration // the moment at which that began
}

func newServed(m *Model, b Backend, c knob.Config, e *Engine) *Served {
	s := &Served{
		engine: e, model: m, backend: b, cores: e.opt.Cores, memory: e.opt.MemoryBytes, log: e.opt.Log,
		cfg: c, epoch: time.Now(), changes: make(chan struct{}, 1), loaded: make(chan struct{}),
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.calling, s.callOff = context.WithCancel(context.Background())
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

func (s *Served) now() time.Duration { return time.Since(s.epoch) }

// advance steps the collector with e, which happens now, and does what it says. The
// lock is held. Clocks are read seldom: that costs as much as the rest of it.
func (s *Served) advance(now time.Duration, e batching.Event) {
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
	s.accountWork(now)
	s.showRoom()
}

// take moves the queue's head into the open batch, or drops it if its caller
// has gone.
func (s *Served) take(now time.Duration) batching.Event {
	w := s.queue.pop()
	if w.call.ctx.Err() != nil || !w.state.CompareAndSwap(waiting, taken) {
		s.leave(w)
		return batching.Event{Kind: batching.Dropped}
	}
	w.taken = now
	s.open = append(s.open, w)
	s.inFlight++
	return batching.Event{Kind: batching.Took, Arrival: w.arrived}
}

// leave counts a row that left the queue unexecuted.
func (s *Served) leave(w *row) {
	if !w.state.CompareAndSwap(waiting, gone) {
		s.gone.Add(-1)
	}
	if errors.Is(w.call.ctx.Err(), context.DeadlineExceeded) {
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
	s.advance(s.now(), batching.Event{Kind: batching.Timer})
}

// close refuses newcomers, calls off a change that is under way, waits until ctx
// ends for what is in flight, and ends the workers. Closing again waits too.
func (s *Served) close(ctx context.Context) error {
	s.mu.Lock()
	s.state = Unloading
	s.showRoom()
	s.mu.Unlock()
	s.callOff()
	if err := s.lockChanges(ctx); err != nil {
		return fmt.Errorf("close %s: a change is under way: %w", s.model.Name, err)
	}
	defer s.unlockChanges()
	s.mu.Lock()
	p := s.pool
	if p == nil || p.down >= len(p.workers) {
		s.abandon(ErrClosed) // nobody would run it
	}
	s.mu.Unlock()
	err := s.drained(ctx)
	s.mu.Lock()
	s.abandon(ErrClosed)
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

// abandon answers what no worker will run any more with err. The lock is held.
func (s *Served) abandon(err error) {
	for s.queue.n > 0 {
		w := s.queue.pop()
		if w.state.CompareAndSwap(waiting, taken) {
			s.count.failed++
			w.finish(payload.Result{Err: err})
			continue
		}
		s.leave(w)
	}
	for i, w := range s.open {
		s.count.failed++
		w.finish(payload.Result{Err: err})
		s.open[i] = nil
	}
	s.inFlight -= len(s.open)
	s.open = s.open[:0]
	s.accountWork(s.now())
	s.col = batching.New(rule(s.cfg)) // it knows of requests that are gone
	for range s.idle {
		s.advance(s.now(), batching.Event{Kind: batching.Freed})
	}
	s.showRoom()
}

// drained waits until nothing is queued or in flight.
func (s *Served) drained(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		left := s.queue.n + s.inFlight
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

// lockChanges waits for its turn to change the model. Loading, applying, measuring
// on the workers and closing are such changes, one at a time.
func (s *Served) lockChanges(ctx context.Context) error {
	select {
	case s.changes <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Served) unlockChanges() { <-s.changes }

// changing is ctx for a change: it ends too when the model is to be closed.
func (s *Served) changing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.calling, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}
