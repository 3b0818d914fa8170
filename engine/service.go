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
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// ModelService serves one version of a model: it has the queue, the workers and the
// settings.
//
// The contract of a request: it is refused at once when the queue has no room for all
// its rows. Its rows wait in arrival order. When its context ends, they leave the
// queue unexecuted; otherwise each runs in one batch built by the batching rule. A row's
// error does not fail other rows: a batch of tensors that fails is retried row by
// row. When a session is lost, its batch fails and another session is opened.
type ModelService struct {
	engine  *Engine
	model   *Model
	backend Backend
	cores   int
	memory  int64        // of the container; 0 is unknown
	options knob.Options // of the load; own values of the settings replace some
	log     *slog.Logger
	epoch   time.Time
	calls   sync.Pool // answered calls, for reuse

	runCtx     context.Context // of all runs; ends when the service is closed
	cancelRuns context.CancelFunc

	changing      chan struct{}   // semaphore of capacity 1 for changes; acquired before mu
	changesCtx    context.Context // of all changes; ends when closing begins
	cancelChanges context.CancelFunc
	loaded        chan struct{} // closed when the state Loading ends; loadErr is then set
	loadErr       error

	undecoded  atomic.Int64 // requests whose ticket was returned unused
	abandoned  atomic.Int64 // queued rows whose callers have left; may lag behind
	admitted   atomic.Int64 // requests that are being decoded
	admitLimit atomic.Int64 // most of them, as the last change of the queue set it

	decoding, encoding atomic.Int64 // ns, sums over all requests

	lengths *lengthCounters // nil if no input has an open dimension or is a side input
	largest atomic.Int64    // the size of the largest batch that was compared with single rows since the load
	sides   *runs.Sides     // what is known about the values of the side inputs; nil if there are none

	mu         sync.Mutex // guards everything below; never held while waiting
	state      State
	cfg        knob.Config
	minWorkers int // bounds of the last Scale or Apply
	maxWorkers int
	collector  *batching.Collector
	queue      fifo
	openBatch  []*row
	idle       []*worker
	pool       *pool
	sessionErr error // why no worker has a session; nil if one has, or there are no workers
	batchTimer batchTimer
	inFlight   int // rows taken from the queue and not answered
	count      counters
	recent     recentBatches

	agreements map[string]Agreement // of FP16 with FP32, by device

	lastFailureLog time.Duration // when a failed batch was last logged

	hasWork   bool          // a row is queued or in flight
	workSince time.Duration // when hasWork became true
}

func newModelService(m *Model, b Backend, c knob.Config, e *Engine) *ModelService {
	s := &ModelService{
		engine: e, model: m, backend: b, cores: e.opt.Cores, memory: e.opt.MemoryBytes, log: e.opt.Log, options: c.Options,
		cfg: c, epoch: time.Now(), changing: make(chan struct{}, 1), loaded: make(chan struct{}),
	}
	s.runCtx, s.cancelRuns = context.WithCancel(context.Background())
	s.changesCtx, s.cancelChanges = context.WithCancel(context.Background())
	s.collector = batching.New(batchingConfig(c))
	s.count.sizes = map[int]int64{}
	s.batchTimer = newBatchTimer(s.onTimer)
	if tensor.Lengths(m.Inputs) != nil || m.SideInputs() != nil {
		s.lengths, s.sides = newLengthCounters(), newSides(m, s.log)
	}
	return s
}

func batchingConfig(c knob.Config) batching.Config {
	r := batching.TorchServe
	if c.Rule == knob.Eager {
		r = batching.Eager
	}
	return batching.Config{Rule: r, Size: c.BatchSize, Delay: c.BatchDelay}
}

// Model returns the model, which is never changed.
func (s *ModelService) Model() *Model { return s.model }

// Config returns the settings and options in force.
func (s *ModelService) Config() knob.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

// Limits returns the limits that validate the settings.
func (s *ModelService) Limits() knob.Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return limits(s.model, s.cfg.Rule, s.cores)
}

func (s *ModelService) now() time.Duration { return time.Since(s.epoch) }

// stepCollector steps the collector with the event e and executes its actions. The
// lock is held. The caller passes now, because reading the clock costs as much as the
// rest of this function.
func (s *ModelService) stepCollector(now time.Duration, e batching.Event) {
	a := s.collector.Step(now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			a = s.collector.Step(now, s.takeRow(now))
			continue
		}
		s.dispatch(now)
		a = s.collector.Step(now, batching.Event{Kind: batching.Sent})
	}
	s.batchTimer.set(now, a.Wake)
	s.accountWork(now)
	s.publishAdmitLimit()
}

// takeRow moves the queue's head into the open batch, or drops it if its caller has
// left.
func (s *ModelService) takeRow(now time.Duration) batching.Event {
	r := s.queue.pop()
	if r.call.ctx.Err() != nil || !r.state.CompareAndSwap(rowQueued, rowTaken) {
		s.countAbandoned(r)
		return batching.Event{Kind: batching.Dropped}
	}
	r.taken = now
	s.openBatch = append(s.openBatch, r)
	s.inFlight++
	return batching.Event{Kind: batching.Took, Arrival: r.arrived}
}

// countAbandoned counts a row that left the queue unexecuted.
func (s *ModelService) countAbandoned(r *row) {
	if !r.state.CompareAndSwap(rowQueued, rowAbandoned) {
		s.abandoned.Add(-1)
	}
	if errors.Is(r.call.ctx.Err(), context.DeadlineExceeded) {
		s.count.expired++
		return
	}
	s.count.cancelled++
}

// dispatch gives the open batch to the worker that became idle last, because its CPU
// caches are the warmest. The worker's old slice becomes the next open batch.
func (s *ModelService) dispatch(now time.Duration) {
	last := len(s.idle) - 1
	w := s.idle[last]
	s.idle = s.idle[:last]
	for _, r := range s.openBatch {
		r.timing.Queue = r.taken - r.arrived
		r.timing.Formation = now - r.taken
		s.count.queue += r.timing.Queue
		s.count.formation += r.timing.Formation
		s.count.lastWait = now - r.arrived
		s.count.waits.add(now - r.arrived)
	}
	w.left = s.collector.Reason()
	s.count.left[w.left]++
	w.batch, s.openBatch = s.openBatch, w.batch[:0]
	w.work <- struct{}{} // capacity 1, and the worker is idle
}

func (s *ModelService) onTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batchTimer.fired()
	s.stepCollector(s.now(), batching.Event{Kind: batching.Timer})
}

// close refuses new requests, cancels a running change, waits for queued and running
// requests until ctx ends, and ends the workers. A second close waits for the first.
func (s *ModelService) close(ctx context.Context) error {
	s.mu.Lock()
	s.state = Unloading
	s.publishAdmitLimit()
	s.mu.Unlock()
	s.cancelChanges()
	if err := s.lockChanges(ctx); err != nil {
		return fmt.Errorf("close %s: a change is in progress: %w", s.model.Name, err)
	}
	defer s.unlockChanges()
	s.mu.Lock()
	p := s.pool
	if p == nil || p.sessionless >= len(p.workers) {
		s.failPending(ErrClosed) // no worker can run them
	}
	s.mu.Unlock()
	err := s.waitDrained(ctx)
	s.mu.Lock()
	s.failPending(ErrClosed)
	s.batchTimer.close()
	if p != nil {
		s.retireWorkers(p, len(p.workers))
	}
	s.mu.Unlock()
	s.cancelRuns()
	if p != nil {
		return errors.Join(err, p.close())
	}
	return err
}

// failPending fails all rows of the queue and of the open batch with err. The lock is
// held.
func (s *ModelService) failPending(err error) {
	for s.queue.n > 0 {
		r := s.queue.pop()
		if r.state.CompareAndSwap(rowQueued, rowTaken) {
			s.count.failed++
			r.finish(payload.Result{Err: err})
			continue
		}
		s.countAbandoned(r)
	}
	for i, r := range s.openBatch {
		s.count.failed++
		r.finish(payload.Result{Err: err})
		s.openBatch[i] = nil
	}
	s.inFlight -= len(s.openBatch)
	s.openBatch = s.openBatch[:0]
	s.accountWork(s.now())
	s.collector = batching.New(batchingConfig(s.cfg)) // the old one counted these rows
	for range s.idle {
		s.stepCollector(s.now(), batching.Event{Kind: batching.WorkerIdle})
	}
	s.publishAdmitLimit()
}

// waitDrained waits until no row is queued or in flight.
func (s *ModelService) waitDrained(ctx context.Context) error {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		remaining := s.queue.n + s.inFlight
		s.mu.Unlock()
		if remaining == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("close %s: %d requests left: %w", s.model.Name, remaining, context.Cause(ctx))
		}
	}
}

// lockChanges waits until no other change runs, and excludes others. Loading, applying,
// measuring the bare rate, profiling and closing are changes.
func (s *ModelService) lockChanges(ctx context.Context) error {
	select {
	case s.changing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *ModelService) unlockChanges() { <-s.changing }

// changeContext derives the context of a change from ctx. It also ends when the
// service begins to close.
func (s *ModelService) changeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.changesCtx, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}
