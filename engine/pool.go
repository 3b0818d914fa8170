package engine

import (
	"context"
	"errors"
	"sync"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
)

// pool is the workers that run one opening of the model. A reload builds a
// second pool beside the first.
type pool struct {
	workers []*worker      // guarded by Served.mu
	down    int            // of them without a session; likewise
	cfg     knob.Config    // likewise
	wg      sync.WaitGroup // running workers

	mu     sync.Mutex // guards shared and spare; held while a session opens
	shared Session    // the one session of all workers, or nil if each has its own
	spare  Session    // opened with the pool, not shared, for the first worker
}

// newPool opens the model for c without workers; with none to come it opens nothing.
func (s *Served) newPool(ctx context.Context, c knob.Config) (*pool, error) {
	p := &pool{cfg: c}
	if c.Workers == 0 {
		return p, nil
	}
	session, own, err := s.session(ctx, p, c)
	if own {
		p.spare = session
	}
	return p, err
}

// Spinner is a Backend whose sessions wait for work by spinning while their own
// workers have a core for each thread, and which honours the option spin.
type Spinner interface {
	Spins() bool
}

// openSession opens a session for c. Where the models of the engine together have
// more threads than there are cores, one that would spin is told not to.
func (s *Served) openSession(ctx context.Context, c knob.Config) (Session, error) {
	if b, ok := s.backend.(Spinner); ok && b.Spins() && c.Spin == "" && s.crowded(c) {
		c.Spin = "off"
	}
	return s.backend.Open(ctx, s.model, c)
}

// crowded tells whether the workers of all models have more threads than there are
// cores, with the settings c for this one.
func (s *Served) crowded(c knob.Config) bool {
	threads := c.Workers * c.Threads
	for _, o := range s.engine.Served() {
		if o != s && o.model.Backend == s.model.Backend {
			other := o.Config()
			threads += other.Workers * other.Threads
		}
	}
	return threads > s.cores
}

// session opens (or shares) a session; own tells whether it is the caller's alone.
// While one opens, others wait: they may be able to share it.
func (s *Served) session(ctx context.Context, p *pool, c knob.Config) (session Session, own bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared != nil {
		return p.shared, false, nil
	}
	if session, p.spare = p.spare, nil; session != nil {
		return session, true, nil
	}
	if session, err = s.openSession(ctx, c); err != nil {
		return nil, false, err
	}
	if session.Shared() {
		p.shared = session
		return session, false, nil
	}
	return session, true, nil
}

// sharedNow is the session of all workers, nil while there is none.
func (p *pool) sharedNow() Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shared
}

// forget drops the shared session if it is the lost one, so that the next worker
// opens another, and tells whether it was. Whoever was told so closes it.
func (p *pool) forget(lost Session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared != lost {
		return false
	}
	p.shared = nil
	return true
}

// close waits for the retired workers and frees the sessions that are the pool's.
func (p *pool) close() error {
	p.wg.Wait()
	return p.closeSessions()
}

func (p *pool) closeSessions() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range []Session{p.shared, p.spare} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	p.shared, p.spare = nil, nil
	return errors.Join(errs...)
}

// discard frees workers that never joined, and a pool that never served.
func discard(p *pool, workers []*worker, whole bool) error {
	var errs []error
	for _, w := range workers {
		if w.own {
			errs = append(errs, w.session.Close())
		}
	}
	if whole {
		errs = append(errs, p.closeSessions())
	}
	return errors.Join(errs...)
}

// join starts a warmed worker. The lock is held.
func (s *Served) join(w *worker) {
	w.pool.workers = append(w.pool.workers, w)
	w.pool.wg.Add(1)
	go w.loop(s)
	s.idle = append(s.idle, w)
	s.stranded = nil
	s.advance(s.now(), batching.Event{Kind: batching.Freed})
}

// retire ends n workers of p, idle ones at once, busy ones after their batch.
// The lock is held.
func (s *Served) retire(p *pool, n int) {
	for _, w := range p.workers[len(p.workers)-n:] {
		w.retired = true
		close(w.stop)
		for i, idle := range s.idle {
			if idle == w {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				close(w.work)
				s.advance(s.now(), batching.Event{Kind: batching.Retired})
				break
			}
		}
	}
	p.workers = p.workers[:len(p.workers)-n]
}
