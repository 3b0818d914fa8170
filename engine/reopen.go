package engine

import (
	"fmt"
	"time"
)

// reopenWaits returns the times to wait before each try to replace a lost session. The
// last one is repeated.
func reopenWaits() []time.Duration {
	const s = time.Second
	return []time.Duration{0, s / 10, s / 2, s, 2 * s, 3 * s, 5 * s, 8 * s, 13 * s, 21 * s, 30 * s}
}

// reopen opens a new session for a worker that lost its session. It tries until it
// succeeds or the worker is retired, when it returns false. While no worker has a
// session, queued requests fail with the cause and new requests are refused.
func (w *worker) reopen(s *ModelService, cause error) bool {
	s.log.Warn("session lost", "model", s.model.Name, "version", s.model.Version, "err", cause)
	s.markSessionLost(w)
	w.closeLostSession(s)
	waits := reopenWaits()
	for try := 0; ; try++ {
		select {
		case <-time.After(waits[min(try, len(waits)-1)]):
		case <-w.stop:
			s.endReopen(w)
			return false
		}
		err := w.openSession(s)
		if err == nil {
			s.endReopen(w)
			return true
		}
		s.log.Warn("reopen a lost session", "model", s.model.Name, "try", try+1, "err", err)
		s.refuseWithoutSessions(w.pool, fmt.Errorf("%w that can run: %w; the last try to start one: %w", ErrNoWorkers, cause, err))
	}
}

// closeLostSession closes the lost session in the background, because it may be stuck
// in a run. Only one of the workers that share a session closes it.
func (w *worker) closeLostSession(s *ModelService) {
	lost := w.session
	w.session = nil
	if lost == nil || !w.own && !w.pool.dropShared(lost) {
		return
	}
	go func() {
		if err := lost.Close(); err != nil {
			s.log.Warn("close a lost session", "model", s.model.Name, "err", err)
		}
	}()
}

// openSession opens (or shares) a session for the worker.
func (w *worker) openSession(s *ModelService) (err error) {
	s.mu.Lock()
	c := w.pool.cfg
	s.mu.Unlock()
	w.session, w.own, err = s.session(s.runCtx, w.pool, c)
	return err
}

// markSessionLost counts a lost session and a worker without a session.
func (s *ModelService) markSessionLost(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.lost++
	w.pool.sessionless++
	w.sessionless, w.pid = true, 0
}

// endReopen ends what markSessionLost began for one worker.
func (s *ModelService) endReopen(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.pool.sessionless--
	w.sessionless, w.pid = false, processOf(w.session)
	if s.pool == w.pool {
		s.sessionErr = nil
	}
}

// processOf returns the ID of the process that a session is; 0 if it is none of its own.
func processOf(s Session) int {
	if p, ok := s.(ProcessSession); ok {
		return p.PID()
	}
	return 0
}

// refuseWithoutSessions fails the queued requests and refuses new ones, if p is in force
// and none of its workers has a session.
func (s *ModelService) refuseWithoutSessions(p *pool, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == p && p.sessionless >= len(p.workers) {
		s.sessionErr = cause
		s.failPending(cause)
	}
}
