package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// maxBuffers bounds the buffers of one run in bytes: a larger batch is a wrong setting, and
// allocating it would crash the process.
const maxBuffers = 4 << 30

// plan describes how the items of a batch map to the runtime's tensors. Open makes it, and it
// does not change.
type plan struct {
	in, out []tensorPort
	index   int    // the output that maps entries to items, or -1
	batch   bool   // several items may run together
	why     string // why not
	open    bool   // an input has open dimensions; the rows of a run have equal shapes
	itemIn  int64  // bytes of one item's inputs of fixed size
	itemOut int64  // bytes of one item's outputs of fixed size
}

// tensorPort is one input or output.
type tensorPort struct {
	tensor.Spec
	binding
	batched bool // the tensor has a leading axis before Shape
	ragged  bool // the first dimension counts entries of all items
	// size is the size of one item in bytes, or -1 if it is only known after a run: then
	// the runtime allocates the output.
	size int64
}

// isScalar reports whether the tensor has no dimensions; the wrapper has another type for
// these.
func (p tensorPort) isScalar() bool { return !p.batched && p.Shape != nil && len(p.Shape) == 0 }

// shape returns the shape of the runtime's tensor for n items.
func (p tensorPort) shape(n int) ort.Shape {
	if !p.batched {
		return slices.Clone(p.Shape)
	}
	return append(ort.Shape{int64(n)}, p.Shape...)
}

// bytes is the size of the buffer for n items; a tensor without batch axis has a single
// item.
func (p tensorPort) bytes(n int) int64 {
	if !p.batched {
		n = 1
	}
	return p.size * int64(n)
}

// newPlan makes a plan and checks it for batches of size items.
func newPlan(m *engine.Model, size int) (*plan, error) {
	if len(m.Inputs) == 0 || len(m.Outputs) == 0 {
		return nil, errors.New("it has no inputs or no outputs")
	}
	if m.BatchAxis && len(m.Unbatched) > 0 {
		return nil, fmt.Errorf("%v have no batch axis, but the model has BatchAxis", m.Unbatched)
	}
	p := &plan{batch: m.BatchAxis, why: m.BatchWhy, index: -1}
	for _, s := range m.Inputs {
		in, err := newPort(s, !slices.Contains(m.Unbatched, s.Name))
		if err != nil {
			return nil, fmt.Errorf("input %w", err)
		}
		if s.Shape == nil {
			return nil, fmt.Errorf("input %q has no known rank", s.Name)
		}
		p.in = append(p.in, in)
		p.open = p.open || in.size < 0
		p.itemIn += max(in.size, 0)
	}
	for i, s := range m.Outputs {
		out, err := newOutput(s, m)
		if err != nil {
			return nil, fmt.Errorf("output %w", err)
		}
		if out.ragged && s.Name == m.Ragged.Index {
			p.index = i
		}
		if out.size < 0 && s.Type == tensor.Float16 {
			return nil, fmt.Errorf("output %q is FP16 with open dimensions %v, which this engine does not support", s.Name, s.Shape)
		}
		p.out = append(p.out, out)
		p.itemOut += max(out.size, 0)
	}
	if len(m.Ragged.Outputs) > 0 && p.index < 0 {
		return nil, fmt.Errorf("there is no output %q to map the entries of %v to items", m.Ragged.Index, m.Ragged.Outputs)
	}
	return p, p.checkSize(size)
}

// newOutput makes the port of an output. The number of entries of a ragged output is only
// known after a run.
func newOutput(s tensor.Spec, m *engine.Model) (tensorPort, error) {
	if !slices.Contains(m.Ragged.Outputs, s.Name) {
		return newPort(s, !slices.Contains(m.Unbatched, s.Name))
	}
	if s.Name == m.Ragged.Index && s.Type != tensor.Int64 {
		return tensorPort{}, fmt.Errorf("%q maps entries to items and must be INT64, not %s", s.Name, s.Type)
	}
	p, err := newPort(s, false)
	if p.isScalar() {
		return p, fmt.Errorf("%q has no dimensions, so it cannot be ragged", s.Name)
	}
	p.ragged, p.size = true, -1
	return p, err
}

func newPort(s tensor.Spec, batched bool) (tensorPort, error) {
	p := tensorPort{Spec: s, binding: bindings[s.Type], batched: batched, size: -1}
	if s.Type == tensor.Invalid {
		return p, fmt.Errorf("%q has no element type", s.Name)
	}
	if p.isScalar() && s.Type == tensor.Float16 {
		return p, fmt.Errorf("%q is an FP16 scalar, which this engine does not support", s.Name)
	}
	if s.Shape == nil || !s.Fixed() {
		return p, nil
	}
	n := tensor.Elements(s.Shape)
	if n < 0 || n > math.MaxInt64/8 {
		return p, fmt.Errorf("%q has too many elements: %v", s.Name, s.Shape)
	}
	p.size = n * int64(s.Type.Size())
	return p, nil
}

// checkSize checks that the model and the memory allow a batch of n items.
func (p *plan) checkSize(n int) error {
	if n > 1 && !p.batch {
		return fmt.Errorf("%d items in one batch, but the model takes one: %s", n, p.why)
	}
	for _, one := range []int64{p.itemIn, p.itemOut} {
		if one > maxBuffers/int64(n) {
			return fmt.Errorf("a batch of %d items of %d MB needs more than %d GB of buffers", n, one>>20, maxBuffers>>30)
		}
	}
	return nil
}

// check checks the rows. It allocates nothing if they are right.
func (p *plan) check(rows []payload.Row, results []payload.Result) error {
	if len(rows) == 0 || len(rows) != len(results) {
		return fmt.Errorf("%d items but %d results", len(rows), len(results))
	}
	if err := p.checkSize(len(rows)); err != nil {
		return err
	}
	for k := range rows {
		item := rows[k].Item
		if len(item) != len(p.in) {
			return fmt.Errorf("item %d has %d inputs, the model takes %d", k, len(item), len(p.in))
		}
		for i := range p.in {
			if err := p.in[i].Check(item[i]); err != nil {
				return fmt.Errorf("item %d: %w", k, err)
			}
		}
	}
	if p.open {
		return p.checkEqual(rows)
	}
	return nil
}
