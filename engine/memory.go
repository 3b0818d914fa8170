package engine

import (
	"fmt"

	"sweetspot/engine/knob"
)

// Estimator is a Backend that can estimate the memory of a pool of workers with the
// settings of c. Estimate returns a lower bound in bytes: the copies of the model that
// the sessions hold, and the buffers of the workers' batches.
type Estimator interface {
	Estimate(m *Model, c knob.Config) int64
}

// Checker is a Backend that can reject settings before it opens a session, such as a
// batch that is too large for it. The engine calls Check before every change.
type Checker interface {
	Check(m *Model, c knob.Config) error
}

// ReloadChecker is a Backend that can reject the sessions of a reload before it opens one, such as those that do
// not fit into the memory of a GPU beside the open ones. The engine calls CheckReload before every load and
// before every change that opens other sessions.
type ReloadChecker interface {
	CheckReload(m *Model, c knob.Config) error
}

// checkChange rejects a change from now to to if the backend cannot run it, or if it needs
// more than the container's memory. The other models of the engine count, and, if reload,
// so does the pool in force, which stays while the new one is opened. Estimates are
// lower bounds, so that it rejects only what would certainly fail.
func (s *ModelService) checkChange(now, to knob.Config, reload bool) error {
	if c, ok := s.backend.(Checker); ok {
		if err := c.Check(s.model, to); err != nil {
			return err
		}
	}
	if c, ok := s.backend.(ReloadChecker); ok && reload {
		if err := c.CheckReload(s.model, to); err != nil {
			return err
		}
	}
	if s.memory <= 0 {
		return nil
	}
	next, current, others := s.estimate(to), int64(0), s.engine.otherModelsMemory(s)
	if reload {
		current = s.estimate(now)
	}
	if next == 0 || next+current+others <= s.memory {
		return nil
	}
	const mb = 1e6
	needs := fmt.Sprintf("%s needs at least %.0f MB", to.Settings, float64(next)/mb)
	if current > 0 {
		needs += fmt.Sprintf(" beside the %.0f MB of the settings in force, which keep serving meanwhile", float64(current)/mb)
	}
	if others > 0 {
		needs += fmt.Sprintf(" beside the %.0f MB of other models", float64(others)/mb)
	}
	return fmt.Errorf("not enough memory: %s, and the container has %.0f MB; use fewer workers, smaller batches or a shared session", needs, float64(s.memory)/mb)
}

// estimate is a lower bound of the memory of settings; 0 if the backend has no estimate.
func (s *ModelService) estimate(c knob.Config) int64 {
	if e, ok := s.backend.(Estimator); ok && c.Workers > 0 {
		return e.Estimate(s.model, c)
	}
	return 0
}
