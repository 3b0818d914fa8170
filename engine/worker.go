package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

// pool is the workers that run one opening of the model. A reload builds a
// second pool beside the first. Its workers slice is guarded by Served.mu.
type pool struct {
	cfg     knob.Config
	shared  Session // the one session of all workers, or nil if each has its own
	spare   Session // opened with the pool, not shared, for the first worker
	workers []*worker
	wg      sync.WaitGroup // running workers
}

// close waits for the retired workers and frees the shared session.
func (p *pool) close() error {
	p.wg.Wait()
	if p.shared != nil {
		return p.shared.Close()
	}
	return nil
}

// worker runs one batch at a time.
type worker struct {
	pool    *pool
	session Session
	own     bool          // the session is this worker's alone
	work    chan struct{} // capacity 1: batch is ready; closed: end
	batch   []*job        // owned by the worker while it works
	items   []tensor.Item
	results []Result
	retired bool // guarded by Served.mu: end after the batch at hand
}

// loop runs batches until the worker is retired.
func (w *worker) loop(s *Served) {
	defer w.pool.wg.Done()
	defer w.closeOwn(s)
	for range w.work {
		if more := w.execute(s); !more {
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
	if !w.own {
		return
	}
	if err := w.session.Close(); err != nil {
		s.log.Warn("close session", "model", s.model.Name, "err", err)
	}
}

// execute runs the batch and answers its jobs. It tells whether the next batch is
// full already.
func (w *worker) execute(s *Served) (more bool) {
	n := len(w.batch)
	w.items, w.results = w.items[:0], w.results[:0]
	for _, j := range w.batch {
		w.items = append(w.items, j.item)
		w.results = append(w.results, Result{})
	}
	start := time.Now()
	err := run(s.life, w.session, w.items, w.results)
	took := time.Since(start)
	retried := err != nil && n > 1
	if retried {
		w.oneByOne(s)
		took = time.Since(start)
	} else if err != nil {
		w.results[0] = Result{Err: err}
	}
	more = s.record(w, took)
	for i, j := range w.batch {
		j.timing.Execution, j.timing.Batch = took, n
		j.finish(w.results[i])
		w.batch[i] = nil
	}
	clear(w.items)
	clear(w.results)
	return more
}

// oneByOne runs the items of a failed batch alone, so that one bad item fails
// alone.
func (w *worker) oneByOne(s *Served) {
	for i := range w.items {
		w.results[i] = Result{}
		if err := run(s.life, w.session, w.items[i:i+1], w.results[i:i+1]); err != nil {
			w.results[i] = Result{Err: err}
		}
	}
}

// run calls the backend and turns its panic into an error: one batch may not
// take the engine down.
func run(ctx context.Context, session Session, in []tensor.Item, out []Result) (err error) {
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
	s.drive(batching.Event{Kind: batching.Freed})
	return true
}

// join starts a warmed worker. The lock is held.
func (s *Served) join(w *worker) {
	w.pool.workers = append(w.pool.workers, w)
	w.pool.wg.Add(1)
	go w.loop(s)
	s.idle = append(s.idle, w)
	s.drive(batching.Event{Kind: batching.Freed})
}

// retire ends n workers of p, idle ones at once, busy ones after their batch.
// The lock is held.
func (s *Served) retire(p *pool, n int) {
	for _, w := range p.workers[len(p.workers)-n:] {
		w.retired = true
		for i, idle := range s.idle {
			if idle == w {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				close(w.work)
				s.drive(batching.Event{Kind: batching.Retired})
				break
			}
		}
	}
	p.workers = p.workers[:len(p.workers)-n]
}

// newPool opens the model for c without workers.
func (s *Served) newPool(ctx context.Context, c knob.Config) (*pool, error) {
	p := &pool{cfg: c}
	first, err := s.backend.Open(ctx, s.model, c)
	if err != nil {
		return nil, err
	}
	if first.Shared() {
		p.shared = first
	} else {
		p.spare = first
	}
	return p, nil
}

// newWorker opens (or shares) a session and warms it.
func (s *Served) newWorker(ctx context.Context, p *pool, c knob.Config) (*worker, error) {
	session := p.shared
	switch {
	case session != nil:
	case p.spare != nil:
		session, p.spare = p.spare, nil
	default:
		own, err := s.backend.Open(ctx, s.model, c)
		if err != nil {
			return nil, err
		}
		session = own
	}
	return &worker{pool: p, session: session, own: p.shared == nil, work: make(chan struct{}, 1)}, nil
}

// discard frees workers that never joined, and a pool that never served.
func discard(p *pool, workers []*worker, whole bool) error {
	var errs []error
	for _, w := range workers {
		if w.own {
			errs = append(errs, w.session.Close())
		}
	}
	if whole && p.shared != nil {
		errs = append(errs, p.shared.Close())
	}
	if whole && p.spare != nil {
		errs = append(errs, p.spare.Close())
	}
	return errors.Join(errs...)
}
