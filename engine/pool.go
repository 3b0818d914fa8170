package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
)

// pool is a set of workers whose sessions have the same settings. A reload makes a
// second pool beside the first.
type pool struct {
	workers     []*worker      // guarded by ModelService.mu
	sessionless int            // workers without a session; guarded by ModelService.mu
	cfg         knob.Config    // guarded by ModelService.mu
	wg          sync.WaitGroup // running workers

	mu           sync.Mutex // guards all below; held while a session opens that may be shared
	own          bool       // sessions are known not to be shared
	shared       Session    // the one session of all workers, or nil if each has its own
	firstSession Session    // an own session opened with the pool, for the first worker
}

// newPool makes a pool without workers. It opens the first session, unless c has no
// workers.
func (s *ModelService) newPool(ctx context.Context, c knob.Config) (*pool, error) {
	p := &pool{cfg: c}
	if c.Workers == 0 {
		return p, nil
	}
	session, own, err := s.session(ctx, p, c)
	if own {
		p.firstSession = session
	}
	return p, err
}

// Spinner is a Backend whose sessions may spin (wait for work in a busy loop), and which
// obeys the option spin.
type Spinner interface {
	Spins() bool
}

// openSession opens a session for c. It switches spinning off, unless an option asks for
// it, if all models together have more threads than the engine has cores.
func (s *ModelService) openSession(ctx context.Context, c knob.Config) (Session, error) {
	if b, ok := s.backend.(Spinner); ok && b.Spins() && c.Spin == "" && s.oversubscribed(c) {
		c.Spin = "off"
	}
	opened, err := s.backend.Open(ctx, s.model, c)
	if err != nil || s.lengths == nil {
		return opened, err
	}
	return newDividedSession(opened, s.model, s.sides, s.lengths), nil
}

// oversubscribed reports whether the workers of all models together have more threads
// than there are cores, with the settings c for this model.
func (s *ModelService) oversubscribed(c knob.Config) bool {
	threads := c.Workers * c.Threads
	for _, o := range s.engine.Services() {
		if o != s && o.model.Backend == s.model.Backend {
			other := o.Config()
			threads += other.Workers * other.Threads
		}
	}
	return threads > s.cores
}

// session opens a session or returns the shared one; own means that no other worker
// uses it. Concurrent calls wait while the first session opens, because they may share it.
func (s *ModelService) session(ctx context.Context, p *pool, c knob.Config) (session Session, own bool, err error) {
	session, own, err = s.firstOrShared(ctx, p, c)
	if session != nil || err != nil {
		return session, own, err
	}
	if session, err = s.openSession(ctx, c); err != nil {
		return nil, false, err
	}
	return session, true, nil
}

// firstOrShared returns the shared session or the first one, which it may open. It returns nil if
// sessions are not shared and the first one is taken.
func (s *ModelService) firstOrShared(ctx context.Context, p *pool, c knob.Config) (session Session, own bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared != nil {
		return p.shared, false, nil
	}
	if session, p.firstSession = p.firstSession, nil; session != nil || p.own {
		return session, true, nil
	}
	if session, err = s.openSession(ctx, c); err != nil {
		return nil, false, err
	}
	if session.Shared() {
		p.shared = session
		return session, false, nil
	}
	p.own = true
	return session, true, nil
}

// sharedSession returns the session that all workers share, or nil.
func (p *pool) sharedSession() Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shared
}

// dropShared removes the shared session if it is the lost one, so that the next worker
// opens another. It reports whether it did; the caller then closes the lost one.
func (p *pool) dropShared(lost Session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared != lost {
		return false
	}
	p.shared = nil
	return true
}

// close waits for the retired workers and closes the sessions of the pool.
func (p *pool) close() error {
	p.wg.Wait()
	return p.closeSessions()
}

func (p *pool) closeSessions() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range []Session{p.shared, p.firstSession} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	p.shared, p.firstSession = nil, nil
	return errors.Join(errs...)
}

// discard closes the sessions of workers that were never started and, if withPool, those
// of the pool.
func discard(p *pool, workers []*worker, withPool bool) error {
	var errs []error
	for _, w := range workers {
		if w.own {
			errs = append(errs, w.session.Close())
		}
	}
	if withPool {
		errs = append(errs, p.closeSessions())
	}
	return errors.Join(errs...)
}

// startWorker starts a warmed worker. The lock is held.
func (s *ModelService) startWorker(w *worker) {
	w.started, w.pid = time.Now(), processOf(w.session)
	w.pool.workers = append(w.pool.workers, w)
	w.pool.wg.Add(1)
	go w.loop(s)
	s.idle = append(s.idle, w)
	s.sessionErr = nil
	s.stepCollector(s.now(), batching.Event{Kind: batching.WorkerIdle})
}

// retireWorkers ends n workers of p: idle ones at once, the others after their batch.
// The lock is held.
func (s *ModelService) retireWorkers(p *pool, n int) {
	for _, w := range p.workers[len(p.workers)-n:] {
		w.retired = true
		close(w.stop)
		for i, idle := range s.idle {
			if idle == w {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				close(w.work)
				s.stepCollector(s.now(), batching.Event{Kind: batching.WorkerRetired})
				break
			}
		}
	}
	p.workers = p.workers[:len(p.workers)-n]
}
