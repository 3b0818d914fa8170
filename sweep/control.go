package sweep

import (
	"context"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// controls are the measurements of the control of a shard that a run still has to make: before the
// first point and after the last one. The difference of a shard's controls shows how its machine
// drifts, and those of different shards how their machines differ.
const controls = 2

// measureControl measures the control of the shard, if there is one. when is "before the first
// point" or "after the last point".
func (s *run) measureControl(ctx context.Context, when string) error {
	if s.Control == nil {
		return nil
	}
	if err := s.beforePoint(ctx); err != nil {
		return err
	}
	p := plan.Point{Settings: s.Control.Settings, Load: s.Control.Load, Role: trial.RoleControl, Reason: "the control of all shards, " + when}
	s.controlsLeft--
	limit := s.timeLimit(p.Load)
	if s.Time > 0 {
		s.controlTime = limit
	}
	return s.runTrial(ctx, p, limit)
}
