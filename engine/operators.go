package engine

import (
	"context"
	"fmt"
	"time"

	"sweetspot/engine/knob"
)

// MaxProfileRuns bounds the runs of one profile, because a runtime keeps an event per
// operator and run in memory.
const MaxProfileRuns = 200

// Profiler is a Backend that can measure the times of a model's operators. Operators opens
// another session of m with the settings of c, runs at most runs full batches of random
// items, and closes it.
type Profiler interface {
	Operators(ctx context.Context, m *Model, c knob.Config, runs int) (OperatorProfile, error)
}

// OperatorProfile is the time of a run by type of operator, largest first.
type OperatorProfile struct {
	Runs      int           // counted runs
	Batch     int           // items in each
	PerRun    time.Duration // of all operators together
	Operators []OperatorTime
}

// OperatorTime is one type of operator as the runtime executes it, which may fuse
// several operators of the model into one.
type OperatorTime struct {
	Name   string
	Calls  int           // in one run
	PerRun time.Duration // of all of them
	Share  float64       // of OperatorProfile.PerRun, 0 to 1
}

// Operators profiles the model with the settings in force, in a session beside the
// workers, which become slower meanwhile. It runs while no other change does.
func (s *ModelService) Operators(ctx context.Context, runs int) (OperatorProfile, error) {
	p, ok := s.backend.(Profiler)
	if !ok {
		return OperatorProfile{}, fmt.Errorf("operators: the %s backend does not report the times of operators", s.model.Backend)
	}
	if runs < 1 || runs > MaxProfileRuns {
		return OperatorProfile{}, fmt.Errorf("operators: runs: %d is outside 1-%d", runs, MaxProfileRuns)
	}
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return OperatorProfile{}, fmt.Errorf("operators: %w", err)
	}
	defer done()
	if s.model.Unsampled {
		return OperatorProfile{}, fmt.Errorf("operators: %w", errUnsampled)
	}
	c := s.Config()
	one := c
	one.Workers = 1
	if err := s.checkChange(c, one, true); err != nil {
		return OperatorProfile{}, fmt.Errorf("operators: %w", err)
	}
	out, err := p.Operators(ctx, s.model, one, runs)
	if err != nil {
		return OperatorProfile{}, fmt.Errorf("operators: %w", err)
	}
	return out, nil
}
