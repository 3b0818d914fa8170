package session

import (
	"context"

	"sweetspot/sweep/trial"
)

// AnswerChecker is a Target that can compare answers of its batches with answers to the same bodies
// alone.
type AnswerChecker interface {
	// AskAlone asks for the answers alone, with the precision and device in force, unless it has
	// them. There must be no load.
	AskAlone(ctx context.Context) error
	// CompareAnswers sends the bodies of AskAlone together, beside any load, and compares the
	// answers. It returns nil if there is nothing to compare.
	CompareAnswers(ctx context.Context) (*trial.AnswerCheck, error)
}

// askAlone asks for answers alone. Without them, nothing is compared. There is no load.
func askAlone(ctx context.Context, t Target) {
	if c, ok := t.(AnswerChecker); ok {
		_ = c.AskAlone(ctx) // a target that has died is noticed by what follows
	}
}

// compareAnswers starts to compare answers with the settings in force, which were just applied. The
// lock is held.
func (s *Session) compareAnswers() {
	s.state.Answers = nil
	c, ok := s.target.(AnswerChecker)
	if !ok {
		return
	}
	ctx, in := s.ctx, s.state.Settings
	s.spawn(func() {
		found, err := c.CompareAnswers(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		changed := s.state.Phase != Serving || s.state.Applying != nil || s.state.Settings != in
		if err != nil || found == nil || changed {
			return
		}
		s.state.Answers = found
		if p := found.Problem(); p != "" {
			s.addMessage(Warning, "%s: the model mixes the items of a batch; at batch size 1 its answers are right", p)
		} else if r := found.Remark(); r != "" {
			s.addMessage(Note, "%s", r)
		}
	})
}
