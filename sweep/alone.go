package sweep

import (
	"context"

	"sweetspot/sweep/trial"
)

// What a target can do beyond Target says a type assertion: only an engine of
// our own looks into its model.

// Barer is a target that can tell what its model alone does with the settings in
// force: all workers at full batches, without queue, batching and protocol.
type BareMeasurer interface {
	// Bare measures it, for a fifth of a second or one batch. No load may flow
	// meanwhile.
	Bare(ctx context.Context) (trial.Bare, error)
}

// Profiler is a target that can tell in which operators the time of a run goes.
type Profiler interface {
	// Operators profiles up to runs full batches of a twin of the model, beside
	// the load, which it slows meanwhile. It may run beside Live and Use.
	Operators(ctx context.Context, runs int) (trial.Operators, error)
}
