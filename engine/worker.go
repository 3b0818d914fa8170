package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
)

// worker runs one batch at a time.
type worker struct {
	pool    *pool
	session Session         // nil after it is lost, until another one is open
	own     bool            // no other worker uses the session
	work    chan struct{}   // capacity 1; a value: batch is ready; closed: end
	stop    chan struct{}   // closed when the worker is retired
	batch   []*row          // owned by the worker while it executes
	left    batching.Reason // why the batch was sent; likewise
	rows    []payload.Row
	results []payload.Result
	id      int // unique in the engine
	opening time.Time

	// Guarded by ModelService.mu.
	retired     bool // the worker ends after its batch
	sessionless bool // its session is lost, and no other one is open yet
	started     time.Time
	pid         int // of the process that the session is; 0 is none of its own
}

// newWorker opens (or shares) a session.
func (s *ModelService) newWorker(ctx context.Context, p *pool, c knob.Config) (*worker, error) {
	opening := time.Now()
	session, own, err := s.session(ctx, p, c)
	if err != nil {
		return nil, err
	}
	return &worker{
		pool: p, session: session, own: own, work: make(chan struct{}, 1), stop: make(chan struct{}),
		id: int(s.engine.workers.Add(1)), opening: opening,
	}, nil
}

// newWorkers opens n workers at the same time. On an error it returns those that it has opened.
func (s *ModelService) newWorkers(ctx context.Context, p *pool, c knob.Config, n int) ([]*worker, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all, errs := make([]*worker, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if all[i], errs[i] = s.newWorker(ctx, p, c); errs[i] != nil {
				cancel() // the others are not needed
			}
		})
	}
	wg.Wait()
	all = slices.DeleteFunc(all, func(w *worker) bool { return w == nil })
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return all, err
		}
	}
	return all, errors.Join(errs...)
}

// loop runs batches until the worker is retired.
func (w *worker) loop(s *ModelService) {
	defer w.pool.wg.Done()
	defer w.closeOwnSession(s)
	for w.waitForBatch(s) {
		more, lost := w.execute(s)
		if lost != nil && !w.reopen(s, lost) {
			return
		}
		if !more {
			// Let the runnable goroutines run first: they are callers with answers and
			// new requests, which make the next batch larger. On an idle machine this
			// returns at once.
			runtime.Gosched()
		}
		if !s.workerIdle(w) {
			return
		}
	}
}

// waitForBatch returns when the worker has a batch, or with false when it is retired. If its process ends before that, it opens another
// session.
func (w *worker) waitForBatch(s *ModelService) bool {
	for {
		process, ok := w.session.(ProcessSession)
		if !ok { // a receive is faster than a select, and each batch waits here
			_, open := <-w.work
			return open
		}
		select {
		case _, open := <-w.work:
			return open
		case <-process.Ended():
		}
		if !s.withdrawIdle(w) { // it has a batch, which fails, or is retired, or is reserved for a measurement
			_, open := <-w.work
			return open
		}
		if !w.reopen(s, process.Ending()) || !s.workerIdle(w) {
			return false
		}
	}
}

func (w *worker) closeOwnSession(s *ModelService) {
	if !w.own || w.session == nil {
		return
	}
	if err := w.session.Close(); err != nil {
		s.log.Warn("close session", "model", s.model.Name, "err", err)
	}
}

// execute runs the batch and answers its rows. It reports whether the next batch is
// full already, and why the session is lost, if it is.
func (w *worker) execute(s *ModelService) (more bool, lost error) {
	n := len(w.batch)
	w.rows, w.results = w.rows[:0], w.results[:0]
	for _, r := range w.batch {
		w.rows = append(w.rows, r.Row)
		w.results = append(w.results, payload.Result{})
	}
	start := s.now()
	err := w.refreshSession(s)
	if err == nil {
		err = s.runWithTimeout(w.session, w.rows, w.results)
	}
	end := s.now()
	if err != nil {
		lost = w.retryRows(s, err)
		end = s.now()
	}
	took := end - start
	more = s.recordBatch(w, end, took, err)
	for i, r := range w.batch {
		r.timing.Execution, r.timing.Batch = took, n
		r.finish(w.results[i])
		w.batch[i] = nil
	}
	clear(w.rows)
	clear(w.results)
	return more, lost
}

// refreshSession makes the worker use the pool's current shared session: another worker
// may have replaced a lost one.
func (w *worker) refreshSession(s *ModelService) error {
	if w.own {
		return nil
	}
	if w.session = w.pool.sharedSession(); w.session != nil {
		return nil
	}
	if err := w.openSession(s); err != nil {
		return fmt.Errorf("%w: %w", ErrSessionLost, err)
	}
	return nil
}

// retryRows sets the results of a batch that failed as a whole. It runs each row alone,
// so that one bad row does not fail the others. It does not retry when the session is
// lost, nor rows of bytes, whose side effects must not happen twice. It returns why the
// session is lost, if it is.
func (w *worker) retryRows(s *ModelService, err error) (lost error) {
	n := len(w.rows)
	if errors.Is(err, ErrSessionLost) {
		lost = err
	}
	retry := lost == nil && n > 1 && w.rows[0].Item != nil
	for i := range w.rows {
		w.results[i] = payload.Result{Err: err}
		if !retry || lost != nil {
			continue
		}
		w.results[i] = payload.Result{}
		if err = s.runWithTimeout(w.session, w.rows[i:i+1], w.results[i:i+1]); err != nil {
			w.results[i] = payload.Result{Err: err}
		}
		if errors.Is(err, ErrSessionLost) {
			lost = err
		}
	}
	return lost
}

// runWithTimeout runs a batch within the model's RunTime. A session that exceeds it is
// lost. Its run may never end, so it gets copies of the slices.
func (s *ModelService) runWithTimeout(session Session, in []payload.Row, out []payload.Result) error {
	limit := s.model.RunTime
	if _, itself := session.(RunLimiter); itself || limit <= 0 {
		return run(s.runCtx, session, in, out)
	}
	ctx, cancel := context.WithTimeout(s.runCtx, limit)
	defer cancel()
	in, own := slices.Clone(in), make([]payload.Result, len(out))
	done := make(chan error, 1)
	go func() { done <- run(ctx, session, in, own) }()
	select {
	case err := <-done:
		copy(out, own)
		return err
	case <-ctx.Done():
		if s.runCtx.Err() != nil {
			return ErrClosed
		}
		return fmt.Errorf("%w: a batch of %d did not end within %v", ErrSessionLost, len(in), limit)
	}
}

// run calls the backend and turns a panic into an error, so that one batch cannot end
// the process.
func run(ctx context.Context, session runs.Runner, in []payload.Row, out []payload.Result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("engine: backend panicked: %v", p)
		}
	}()
	return session.Run(ctx, in, out)
}

// withdrawIdle removes a worker from the idle ones. It returns false if it is none of them.
func (s *ModelService) withdrawIdle(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.idle, w)
	if i < 0 {
		return false
	}
	s.idle = slices.Delete(s.idle, i, i+1)
	s.stepCollector(s.now(), batching.Event{Kind: batching.WorkerRetired})
	return true
}

// workerIdle adds a worker to the idle ones. It returns false if the worker is retired.
func (s *ModelService) workerIdle(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.retired {
		return false
	}
	s.idle = append(s.idle, w)
	s.stepCollector(s.now(), batching.Event{Kind: batching.WorkerIdle})
	return true
}
