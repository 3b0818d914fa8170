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

// Drainer is a target that can tell when its server has nothing left to do.
type Drainer interface {
	// Drain waits until no request is queued or executed. There must be no load meanwhile.
	Drain(ctx context.Context) error
}

// Killer is a target whose server can be killed because it hangs.
type Killer interface {
	// Kill kills the server. The target starts it again, as after any other death. why is how its end is
	// reported. It returns once the server has ended.
	Kill(why string)
}

// Profiler is a target that can measure the time of each type of operator.
type Profiler interface {
	// Operators profiles up to runs full batches in a session of its own. A load may run
	// meanwhile and becomes slower. Operators may run at the same time as other methods.
	Operators(ctx context.Context, runs int) (trial.Operators, error)
}

// BatchReporter is a target that reports the batches it has formed.
type BatchReporter interface {
	// Batches returns the latest batches. It takes little time and may run at the same
	// time as other methods.
	Batches(ctx context.Context) (RecentBatches, error)
}

// RecentBatches are the latest batches of each worker.
type RecentBatches struct {
	BatchSize int             // in force
	Workers   [][]FormedBatch // by worker, oldest batch first
}

// FormedBatch is one batch.
type FormedBatch struct {
	Size int
	Left Left
}

// Left is why a batch was sent to a worker.
type Left uint8

// The reasons.
const (
	LeftFull      Left = iota // the batch size was reached
	LeftDelay                 // it waited for more until the batch delay ended
	LeftIdle                  // there is no batch delay, a worker was idle and nothing more was queued
	LeftAbandoned             // requests whose clients had left used up its places
)
