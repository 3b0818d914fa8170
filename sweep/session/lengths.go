package session

import (
	"context"

	"sweetspot/sweep/trial"
)

// LengthWatcher is a Target that counts how the batches of requests of different lengths run.
type LengthWatcher interface {
	// WatchLengths begins to count. The function that it returns has the shares of what ran since
	// then. It is nil for a model without open dimensions.
	WatchLengths(ctx context.Context) func(ctx context.Context) *trial.Lengths
}

// lengthWatch counts since the last change of settings or load.
type lengthWatch struct {
	since  func(ctx context.Context) *trial.Lengths
	asking bool // an answer is awaited
	change int  // number of changes, so that an answer from before one is dropped
}

// changed begins the live figures again after a change of settings or load. The lock is held.
func (s *Session) changed() {
	s.ring.changed()
	s.state.Lengths, s.lengths.since = nil, nil
	s.lengths.change++
}

// askLengths asks for the shares since the last change. The lock is held.
func (s *Session) askLengths() {
	w, ok := s.target.(LengthWatcher)
	if !ok || s.lengths.asking || s.state.Phase != Serving {
		return
	}
	s.lengths.asking = true
	ctx, since, change := s.ctx, s.lengths.since, s.lengths.change
	s.spawn(func() {
		var found *trial.Lengths
		if since == nil {
			since = w.WatchLengths(ctx)
		} else {
			found = since(ctx)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lengths.asking = false
		if s.lengths.change == change {
			s.state.Lengths, s.lengths.since = found, since
		}
	})
}
