package engine

import (
	"context"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// Model describes a model: its inputs, its outputs, and the file or the bytes that a
// backend opens. It is data and does not change after it is made.
type Model struct {
	Name    string
	Version string // "1.0" unless the source says otherwise
	Source  string // as the user wrote it: a path, builtin:NAME
	SHA256  string // of the model's bytes, hex
	Backend string // onnx, simulated, python

	Inputs    []tensor.Spec // of one item, without the batch axis
	Outputs   []tensor.Spec // likewise; an open dimension is -1
	BatchAxis bool          // several items may run together
	BatchWhy  string        // how the batch axis was found, or why there is none

	// Places lists where the model can run; nil is unknown.
	Places []knob.Place

	// Unbatched names the inputs and outputs whose Shape is the whole tensor. For the
	// others the backend adds and removes a leading axis: the batch, or 1 without a
	// batch axis. Empty with a BatchAxis.
	Unbatched []string
	// Ragged says how outputs without a batch axis are split; zero if there are none.
	Ragged RaggedOutputs

	// Padding says how rows of different lengths run together; nil means that only rows of
	// equal shape do. PadWhy says how it was verified, or why the model is not padded; "" if
	// no padding was asked for.
	Padding *runs.Padding
	PadWhy  string
	// LoadLengths says which sizes made requests have in the open dimensions, by input, as
	// package lengths writes them; nil if no dimension is open.
	LoadLengths map[string]string

	Path  string // the model's file, or "" when Bytes holds it
	Bytes []byte // the model itself if it has no file

	// Handler converts bodies to requests, and answers to bodies.
	Handler Handler
	// Samples are rows for the warm-up, the bare rate and comparisons, used in turn; nil
	// means random tensors for Inputs.
	Samples []payload.Row
	// RunTime is the longest run of a batch; a session that exceeds it is lost. 0 is no
	// limit.
	RunTime time.Duration
}

// RaggedOutputs describes outputs with a variable number of entries per item, such as
// the boxes of a detector. The entries of all items of a batch are in one tensor, in any
// order. Index names an INT64 output that holds, for each entry, the position of its
// item in the batch. Each item gets its own entries, in order, and an Index of zeros, as
// if it had run alone.
type RaggedOutputs struct {
	Index   string
	Outputs []string // all outputs with such entries, Index among them
}

// Backend executes models. Open loads m for one pool of workers.
type Backend interface {
	Open(ctx context.Context, m *Model, c knob.Config) (Session, error)
}

// Session runs batches of one model. If inputs have open dimensions, the rows of a run have
// equal shapes: the engine divides a batch into such runs. Run sets out[i] for every in[i]; both have the same
// length, from 1 to the batch size. An error fails the whole batch; an error that wraps
// ErrSessionLost means that the session can run no other batch. If Shared, one Session
// serves the pool and several workers may call Run concurrently; else every worker opens
// its own. Close waits for runs in flight.
type Session interface {
	Run(ctx context.Context, in []payload.Row, out []payload.Result) error
	Shared() bool
	Close() error
}

// Timing splits the time of one request. The parts follow one another; they are the
// parts of a trial's breakdown_ms between decode and encode.
type Timing struct {
	Queue     time.Duration // from arrival until it is taken into a batch
	Formation time.Duration // from then until the batch goes to a worker
	Execution time.Duration // the backend's Run of the batch: the model latency
	Batch     int           // rows in that batch
}

func (t Timing) total() time.Duration { return t.Queue + t.Formation + t.Execution }
