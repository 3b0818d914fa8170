package engine

import (
	"bytes"
	"context"
	"slices"
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
	// ArchiveHandler is the handler that the manifest of the model's archive names; "" if it is no archive. Only the backend python runs it itself.
	ArchiveHandler string

	Inputs    []tensor.Spec // of one item, without the batch axis
	Outputs   []tensor.Spec // likewise; an open dimension is -1
	BatchAxis bool          // several items may run together
	BatchWhy  string        // how the batch axis was found, or why there is none

	// Places lists where the model can run; nil is unknown.
	Places []knob.Place
	// NoPlaces says why it cannot run on some of the others.
	NoPlaces []knob.NoPlace

	// Unbatched names the inputs and outputs whose Shape is the whole tensor. For the
	// others the backend adds and removes the batch axis, or an axis of 1 without a
	// batch axis. With a BatchAxis, an unbatched input is a side input: one value for
	// the whole batch, so that only rows with the same value run together; and an
	// unbatched output is the same for all rows of a batch.
	Unbatched []string
	// Axes has the position of the batch axis in the inputs and outputs where it is not
	// the leading one.
	Axes map[string]int
	// VerifiedBatch is the size of the largest batch whose items were compared with each alone; 0
	// means that none was. The engine compares larger ones when it warms up.
	VerifiedBatch int
	// SideValues are values of the side inputs for which it is known whether rows run together.
	// Of others the engine finds it out when they come.
	SideValues []runs.SideValue
	// Ragged says how outputs without a batch axis are split; zero if there are none.
	Ragged RaggedOutputs
	// Constants are the inputs of the file that no item has: they are the same in every
	// run. One that is not in Unbatched is repeated for each row.
	Constants []Constant
	// Defaults has the values of the optional inputs that an item leaves out, by name.
	Defaults map[string]tensor.Tensor
	// ReadFrom has the value of the graph from which an output is read, by the name of
	// the output, if the output itself is not a tensor.
	ReadFrom map[string]string

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
	Size  int64  // of the model with its external weights, in bytes; 0 is unknown

	// Handler converts bodies to requests, and answers to bodies.
	Handler Handler
	// Samples are rows for the warm-up, the bare rate and comparisons, used in turn; nil
	// means random tensors for Inputs.
	Samples []payload.Row
	// Unsampled means that the model refuses random tensors and there are no Samples: it
	// is served without a warm-up.
	Unsampled bool
	// Warnings say what people should know about the model, one sentence each.
	Warnings []string
	// RunTime is the longest run of a batch; a session that exceeds it is lost. 0 is no
	// limit, or that of the backend if it has one.
	RunTime time.Duration
}

// SideInputs returns the positions of the side inputs in Inputs; nil if there are none.
func (m *Model) SideInputs() []int {
	if !m.BatchAxis {
		return nil
	}
	var out []int
	for i, s := range m.Inputs {
		if slices.Contains(m.Unbatched, s.Name) {
			out = append(out, i)
		}
	}
	return out
}

// SideText is a value of the side inputs for people.
func (m *Model) SideText(v runs.SideValue) string {
	var names []string
	for _, i := range m.SideInputs() {
		names = append(names, m.Inputs[i].Name)
	}
	return v.Text(names)
}

// ShareSide gives item the side inputs of from, so that both can run together.
func (m *Model) ShareSide(item, from tensor.Item) {
	for _, i := range m.SideInputs() {
		item[i] = from[i]
	}
}

// Constant is an input that has the same value in every run. Its shape is that of an item.
// The size of an open dimension is that of a dimension of the inputs, which Follows names;
// the constant then has a single number, which fills it.
type Constant struct {
	Name string
	tensor.Tensor
	Follows []tensor.Dim // one for each dimension of the shape, if one is open
}

// Sized returns the constant for the sizes of an item.
func (c Constant) Sized(item tensor.Item) tensor.Tensor {
	if c.Follows == nil {
		return c.Tensor
	}
	t := tensor.Tensor{Type: c.Type, Shape: slices.Clone(c.Shape)}
	for i, size := range t.Shape {
		if size < 0 {
			t.Shape[i] = item[c.Follows[i].Tensor].Shape[c.Follows[i].Axis]
		}
	}
	t.Data = bytes.Repeat(c.Data, int(tensor.Elements(t.Shape)))
	return t
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

// Session runs batches of one model. The rows of a run have equal shapes, if inputs have open
// dimensions, and equal side inputs: the engine divides a batch into such runs. Run sets
// out[i] for every in[i]; both have the same
// length, from 1 to the batch size. An error fails the whole batch; an error that wraps
// ErrSessionLost means that the session can run no other batch. If Shared, one Session
// serves the pool and several workers may call Run concurrently; else every worker opens
// its own. Close waits for runs in flight.
type Session interface {
	Run(ctx context.Context, in []payload.Row, out []payload.Result) error
	Shared() bool
	Close() error
}

// RunLimiter is a Session that itself ends a run that exceeds the model's RunTime, as it ends a
// process; the engine then sets no limit. Of a streamed answer it limits the wait for each piece,
// and not the whole run.
type RunLimiter interface {
	LimitsRuns()
}

// ProcessSession is a Session that is a process of its own. A process that ends while its worker is idle is replaced before a
// request needs it.
type ProcessSession interface {
	PID() int
	Ended() <-chan struct{} // closed when the process has ended
	Ending() error          // how it has ended; it wraps ErrSessionLost
}

// Prober is a Backend that can run a model before it is known how its tensors hold items.
type Prober interface {
	Backend
	// Probe loads m, of which only the file, the constants and the names and types of
	// Inputs and Outputs count. A dimension is not believed, but a rank of 0 or an unknown rank
	// is.
	Probe(ctx context.Context, m *Model) (Probe, error)
}

// Probe is a loaded model that takes and returns whole tensors.
type Probe interface {
	// Run runs the inputs and then the constants of the model, each as the file declares
	// it, with any sizes in its open dimensions. It returns one tensor per output.
	Run(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error)
	// Session serves m, which has the inputs, constants and outputs of the probe. It is
	// closed before the probe.
	Session(ctx context.Context, m *Model) (Session, error)
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
