package engine

import (
	"fmt"
	"time"
)

// The waits before the first tries to open a session in place of a lost one; the
// last one is that of all further tries.
func reopenWaits() []time.Duration {
	const s = time.Second
	return []time.Duration{0, s / 10, s / 2, s, 2 * s, 3 * s, 5 * s, 8 * s, 13 * s, 21 * s, 30 * s}
}

// reopen gives a worker that lost its session another one, however long that
// takes. It returns false when the worker is retired meanwhile. While no worker has
// a session, what waits is answered with why, and newcomers are refused.
func (w *worker) reopen(s *Served, why error) bool {
	s.log.Warn("session lost", "model", s.model.Name, "version", s.model.Version, "err", why)
	s.hasLost(w.pool)
	w.abandonSession(s)
	waits := reopenWaits()
	for try := 0; ; try++ {
		select {
		case <-time.After(waits[min(try, len(waits)-1)]):
		case <-w.stop:
			s.hasFound(w.pool)
			return false
		}
		err := w.tryReopen(s)
		if err == nil {
			s.hasFound(w.pool)
			return true
		}
		s.log.Warn("open a session in place of a lost one", "model", s.model.Name, "try", try+1, "err", err)
		s.strand(w.pool, fmt.Errorf("%w that can run: %w; the last try to start one: %w", ErrNoWorkers, why, err))
	}
}

// abandonSession closes the lost session behind the worker's back: it may be stuck
// in a run. Of a shared one only the first worker to see it does so.
func (w *worker) abandonSession(s *Served) {
	lost := w.session
	w.session = nil
	if lost == nil || !w.own && !w.pool.forget(lost) {
		return
	}
	go func() {
		if err := lost.Close(); err != nil {
			s.log.Warn("close a lost session", "model", s.model.Name, "err", err)
		}
	}()
}

func (w *worker) tryReopen(s *Served) (err error) {
	s.mu.Lock()
	c := w.pool.cfg
	s.mu.Unlock()
	w.session, w.own, err = s.session(s.life, w.pool, c)
	return err
}

// hasLost counts a worker without a session.
func (s *Served) hasLost(p *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.lost++
	p.down++
}

func (s *Served) hasFound(p *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.down--
	if s.pool == p {
		s.stranded = nil
	}
}

// strand answers what waits, and refuses newcomers, when p is in force and no worker
// of it can run anything.
func (s *Served) strand(p *pool, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == p && p.down >= len(p.workers) {
		s.stranded = why
		s.abandon(why)
	}
}
