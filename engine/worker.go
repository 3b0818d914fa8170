package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// worker runs one batch at a time.
type worker struct {
	pool    *pool
	session Session       // nil while there is none
	own     bool          // the session is this worker's alone
	work    chan struct{} // capacity 1: batch is ready; closed: end
	stop    chan struct{} // closed when it is retired
	batch   []*row        // owned by the worker while it works
	rows    []payload.Row
	results []payload.Result
	retired bool // guarded by Served.mu: end after the batch at hand
}

// newWorker opens (or shares) a session.
func (s *Served) newWorker(ctx context.Context, p *pool, c knob.Config) (*worker, error) {
	session, own, err := s.session(ctx, p, c)
	if err != nil {
		return nil, err
	}
	return &worker{pool: p, session: session, own: own, work: make(chan struct{}, 1), stop: make(chan struct{})}, nil
}

// loop runs batches until the worker is retired.
func (w *worker) loop(s *Served) {
	defer w.pool.wg.Done()
	defer w.closeOwn(s)
	for range w.work {
		more, lost := w.execute(s)
		if lost != nil && !w.reopen(s, lost) {
			return
		}
		if !more {
			// What is ready to run now are callers with answers and new requests:
			// let them by, and the next batch is larger. On an idle machine nobody
			// is.
			runtime.Gosched()
		}
		if !s.freed(w) {
			return
		}
	}
}

func (w *worker) closeOwn(s *Served) {
	if !w.own || w.session == nil {
		return
	}
	if err := w.session.Close(); err != nil {
		s.log.Warn("close session", "model", s.model.Name, "err", err)
	}
}

// execute runs the batch and answers its rows. It tells whether the next batch is
// full already, and why the session is lost, if it is.
func (w *worker) execute(s *Served) (more bool, lost error) {
	n := len(w.batch)
	w.rows, w.results = w.rows[:0], w.results[:0]
	for _, r := range w.batch {
		w.rows = append(w.rows, r.Row)
		w.results = append(w.results, payload.Result{})
	}
	start := s.now()
	err := w.renew(s)
	if err == nil {
		err = s.runWithin(w.session, w.rows, w.results)
	}
	end := s.now()
	if err != nil {
		lost = w.failed(s, err)
		end = s.now()
	}
	took := end - start
	more = s.record(w, end, took, err)
	for i, r := range w.batch {
		r.timing.Execution, r.timing.Batch = took, n
		r.finish(w.results[i])
		w.batch[i] = nil
	}
	clear(w.rows)
	clear(w.results)
	return more, lost
}

// renew takes the session that all share now: another worker may have found that the
// last one was lost.
func (w *worker) renew(s *Served) error {
	if w.own {
		return nil
	}
	if w.session = w.pool.sharedNow(); w.session != nil {
		return nil
	}
	if err := w.tryReopen(s); err != nil {
		return fmt.Errorf("%w: %w", ErrSessionLost, err)
	}
	return nil
}

// failed fills the results of a batch that failed as a whole: its rows run alone, so
// that one bad row fails alone, unless the session is lost or rows of bytes have
// effects that must not come twice. It returns why the session is lost, if it is.
func (w *worker) failed(s *Served, err error) (lost error) {
	n := len(w.rows)
	if errors.Is(err, ErrSessionLost) {
		lost = err
	}
	again := lost == nil && n > 1 && w.rows[0].Item != nil
	for i := range w.rows {
		w.results[i] = payload.Result{Err: err}
		if !again || lost != nil {
			continue
		}
		w.results[i] = payload.Result{}
		if err = s.runWithin(w.session, w.rows[i:i+1], w.results[i:i+1]); err != nil {
			w.results[i] = payload.Result{Err: err}
		}
		if errors.Is(err, ErrSessionLost) {
			lost = err
		}
	}
	return lost
}

// runWithin runs a batch within the model's time for one. A session that does not
// end in time is lost: it may never end, so it runs on copies.
func (s *Served) runWithin(session Session, in []payload.Row, out []payload.Result) error {
	limit := s.model.RunTime
	if limit <= 0 {
		return run(s.life, session, in, out)
	}
	ctx, cancel := context.WithTimeout(s.life, limit)
	defer cancel()
	in, own := slices.Clone(in), make([]payload.Result, len(out))
	done := make(chan error, 1)
	go func() { done <- run(ctx, session, in, own) }()
	select {
	case err := <-done:
		copy(out, own)
		return err
	case <-ctx.Done():
		if s.life.Err() != nil {
			return ErrClosed
		}
		return fmt.Errorf("%w: a batch of %d did not end within %v", ErrSessionLost, len(in), limit)
	}
}

// run calls the backend and turns its panic into an error: one batch may not
// take the engine down.
func run(ctx context.Context, session Session, in []payload.Row, out []payload.Result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("engine: backend panicked: %v", p)
		}
	}()
	return session.Run(ctx, in, out)
}

// freed reports a worker idle again. False tells it to end.
func (s *Served) freed(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.retired {
		return false
	}
	s.idle = append(s.idle, w)
	s.advance(s.now(), batching.Event{Kind: batching.Freed})
	return true
}
