package engine

import (
	"fmt"

	"sweetspot/engine/knob"
)

// Estimator is a Backend that knows the least memory a pool of workers takes
// with the settings of c, in bytes: what its sessions hold of the model and the
// buffers of its workers' batches.
type Estimator interface {
	Estimate(m *Model, c knob.Config) int64
}

// Vetter is a Backend that knows without opening a session that it could not run
// batches of m with the settings of c, such as one that is too large for it. The
// engine asks before any change, a hot one too.
type Vetter interface {
	Vet(m *Model, c knob.Config) error
}

// fits reports a change to settings that the backend cannot run, or that cannot fit
// into the container's memory. While a second pool is built beside the first, both
// count, and so do the other models of the engine. The estimate is a lower bound, so
// that only what is sure to fail is refused.
func (s *Served) fits(now, to knob.Config, beside bool) error {
	if v, ok := s.backend.(Vetter); ok {
		if err := v.Vet(s.model, to); err != nil {
			return err
		}
	}
	if s.memory <= 0 {
		return nil
	}
	next, held, others := s.estimate(to), int64(0), s.engine.heldByOthers(s)
	if beside {
		held = s.estimate(now)
	}
	if next == 0 || next+held+others <= s.memory {
		return nil
	}
	const mb = 1e6
	needs := fmt.Sprintf("%s needs at least %.0f MB", to.Settings, float64(next)/mb)
	if held > 0 {
		needs += fmt.Sprintf(" beside the %.0f MB of the settings in force, which keep serving meanwhile", float64(held)/mb)
	}
	if others > 0 {
		needs += fmt.Sprintf(" beside the %.0f MB of other models", float64(others)/mb)
	}
	return fmt.Errorf("not enough memory: %s, and the container has %.0f MB; use fewer workers, smaller batches or a shared session", needs, float64(s.memory)/mb)
}

// estimate is the least memory that settings take; 0 where the backend cannot tell.
func (s *Served) estimate(c knob.Config) int64 {
	if e, ok := s.backend.(Estimator); ok && c.Workers > 0 {
		return e.Estimate(s.model, c)
	}
	return 0
}
