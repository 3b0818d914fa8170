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

// roomFor reports that a change to settings cannot fit into the container's
// memory. While a second pool is built beside the first, both count. What other
// models take is not known here; the estimate is a lower bound, so that only
// what is sure to fail is refused.
func (s *Served) roomFor(now, to knob.Config, beside bool) error {
	e, ok := s.backend.(Estimator)
	if !ok || s.memory <= 0 {
		return nil
	}
	next, held := e.Estimate(s.model, to), int64(0)
	if beside {
		held = e.Estimate(s.model, now)
	}
	if next+held <= s.memory {
		return nil
	}
	const mb = 1e6
	needs := fmt.Sprintf("%s needs at least %.0f MB", to.Settings, float64(next)/mb)
	if held > 0 {
		needs += fmt.Sprintf(" beside the %.0f MB of the settings in force, which keep serving meanwhile", float64(held)/mb)
	}
	return fmt.Errorf("not enough memory: %s, and the container has %.0f MB; use fewer workers, smaller batches or a shared session", needs, float64(s.memory)/mb)
}
