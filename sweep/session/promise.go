package session

import "context"

// measurePromise measures the promise after the first start of the target, if Config says so.
func (s *Session) measurePromise(ctx context.Context, t Target) {
	s.mu.Lock()
	measure := s.cfg.Promise
	s.cfg.Promise = nil
	if measure != nil {
		s.addMessage(Note, "measuring a promise for this machine")
	}
	s.mu.Unlock()
	if measure == nil {
		return
	}
	sla, why := measure(ctx, t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.SLA, s.ring.sla, s.cfg.Plan.SLA = sla, sla, sla
	s.addMessage(Note, "promise %v (%s)", sla, why)
}
