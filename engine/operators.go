package engine

import (
	"context"
	"fmt"
	"time"

	"sweetspot/engine/knob"
)

// MaxProfileRuns bounds the runs of one profile: a runtime keeps an event per
// operator and run in memory.
const MaxProfileRuns = 200

// Profiler is a Backend that can tell in which operators the time of its runs
// goes. Operators opens m once more with the settings of c, runs full batches of
// made-up items, up to runs of them, and closes it again.
type Profiler interface {
	Operators(ctx context.Context, m *Model, c knob.Config, runs int) (OperatorProfile, error)
}

// OperatorProfile is where the time of a run goes, by type of operator, largest
// share first.
type OperatorProfile struct {
	Runs      int           // that were counted
	Batch     int           // items in each
	PerRun    time.Duration // of all operators together
	Operators []OperatorTime
}

// OperatorTime is one type of operator, as the runtime executes it: it may have
// fused several of the model's into one.
type OperatorTime struct {
	Name   string
	Calls  int           // in one run
	PerRun time.Duration // of all of them
	Share  float64       // of OperatorProfile.PerRun, 0 to 1
}

// Operators profiles the model with the settings in force, beside the workers,
// which it slows while it runs. It waits for applies, and they for it.
func (s *Served) Operators(ctx context.Context, runs int) (OperatorProfile, error) {
	p, ok := s.backend.(Profiler)
	if !ok {
		return OperatorProfile{}, fmt.Errorf("operators: the %s backend does not tell its operators' times", s.model.Backend)
	}
	if runs < 1 || runs > MaxProfileRuns {
		return OperatorProfile{}, fmt.Errorf("operators: runs: %d is outside 1-%d", runs, MaxProfileRuns)
	}
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return OperatorProfile{}, fmt.Errorf("operators: %w", err)
	}
	defer done()
	c := s.Config()
	one := c
	one.Workers = 1
	if err := s.fits(c, one, true); err != nil {
		return OperatorProfile{}, fmt.Errorf("operators: %w", err)
	}
	out, err := p.Operators(ctx, s.model, one, runs)
	if err != nil {
		return OperatorProfile{}, fmt.Errorf("operators: %w", err)
	}
	return out, nil
}
