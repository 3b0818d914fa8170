package engine

import (
	"context"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Model is a loaded model: what it takes, what it gives, and where a backend
// finds it. It is data and is never changed after it is made.
type Model struct {
	Name    string
	Version string // "1.0" unless the source says otherwise
	Source  string // what the user named: a path, builtin:NAME
	SHA256  string // of the model's bytes, hex
	Backend string // onnx, simulated, python

	Inputs    []tensor.Spec // per item, without the batch axis
	Outputs   []tensor.Spec // likewise; open dimensions are -1
	BatchAxis bool          // several items may run together
	BatchWhy  string        // how the batch axis was found, or why there is none

	// Places are where it can run, all of them; nil where nobody lists them.
	Places []knob.Place

	// Whole names the inputs and outputs whose Shape is everything the model
	// sees. To the others the backend adds a leading axis (the batch, or 1 when
	// there is no batch axis) and takes it off again. Empty with a BatchAxis.
	Whole []string
	// Rows says how outputs without a batch axis are split; zero if there are none.
	Rows Rows

	Path  string // the model's file, or "" when Bytes holds it
	Bytes []byte // the model itself when it came from no file

	// Handler turns bodies into requests for the model and answers into bodies.
	Handler Handler
	// Samples are rows to warm up with; nil makes tensors up from Inputs.
	Samples []payload.Row
	// RunTime is the longest run of a batch; a session that takes longer is lost. 0
	// waits for ever.
	RunTime time.Duration
}

// Rows describes outputs that have a row for each thing found, of any number per
// item, one item's rows among another's: Index, an output of INT64, holds for
// each row the position in the batch of the item that it belongs to. Each item
// is given its own rows, in the order they came, and an Index of zeros, as if it
// had run alone.
type Rows struct {
	Index   string
	Outputs []string // all outputs that have such rows, Index among them
}

// Backend executes models. Open loads m for one pool of workers.
type Backend interface {
	Open(ctx context.Context, m *Model, c knob.Config) (Session, error)
}

// Session runs batches of one model. Run fills out[i] for every in[i], both of
// the same length from 1 to the batch size; an error fails the whole batch, and one
// that wraps ErrSessionLost says that no other batch can run in this session. If
// Shared, Run may be called by several workers at once and one Session serves
// the pool; else every worker opens its own. Close waits for runs in flight.
type Session interface {
	Run(ctx context.Context, in []payload.Row, out []payload.Result) error
	Shared() bool
	Close() error
}

// Timing is where one request's time went. Its parts follow one another and are
// the steps of FORMATS' breakdown_ms between decode and encode.
type Timing struct {
	Queue     time.Duration // arrival to the first take into a batch
	Formation time.Duration // take to the batch leaving for its worker
	Execution time.Duration // the backend's Run of the batch: the model latency
	Batch     int           // rows in that batch
}

func (t Timing) total() time.Duration { return t.Queue + t.Formation + t.Execution }
