package sweep

import (
	"context"

	"sweetspot/sweep/trial"
)

// Optional interfaces of targets, to be found with a type assertion. Only our own engine
// implements them.

// BareMeasurer is a target that can measure the bare rate with the settings in force.
type BareMeasurer interface {
	// Bare measures the bare rate for a fifth of a second or one batch. There must be no
	// load meanwhile.
	Bare(ctx context.Context) (trial.Bare, error)
}

// Profiler is a target that can measure the time of each type of operator.
type Profiler interface {
	// Operators profiles up to runs full batches in a session of its own. A load may run
	// meanwhile and becomes slower. Operators may run at the same time as other methods.
	Operators(ctx context.Context, runs int) (trial.Operators, error)
}
