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

// maxBuffers bounds the bytes that one run's buffers may take: a batch beyond it
// is a mistake in a setting, and asking for it would end the process.
const maxBuffers = 4 << 30

// plan is how a model's items become the runtime's tensors and back. It is made
// at Open and never changed.
type plan struct {
	in, out []port
	index   int    // the output that says whose a row is, or -1
	batch   bool   // several items may run together
	why     string // why not
	itemIn  int64  // bytes of one item's inputs
	itemOut int64  // bytes of one item's outputs that are known before the run
}

// port is one input or output.
type port struct {
	tensor.Spec
	kind
	lead bool // a leading axis is added to Shape
	rows bool // the first dimension is rows of all items
	// size is the bytes of one item, or -1 if only a run tells: then the runtime
	// allocates the output.
	size int64
}

// bare tells whether the runtime sees a value without dimensions, for which
// the wrapper has a type of its own.
func (p port) bare() bool { return !p.lead && p.Shape != nil && len(p.Shape) == 0 }

// shape is what the runtime sees for n items.
func (p port) shape(n int) ort.Shape {
	if !p.lead {
		return slices.Clone(p.Shape)
	}
	return append(ort.Shape{int64(n)}, p.Shape...)
}

// bytes is the length of the buffer that holds n items; one that is not led by
// the batch holds a single item.
func (p port) bytes(n int) int64 {
	if !p.lead {
		n = 1
	}
	return p.size * int64(n)
}

// newPlan plans for batches of up to size items.
func newPlan(m *engine.Model, size int) (*plan, error) {
	if len(m.Inputs) == 0 || len(m.Outputs) == 0 {
		return nil, errors.New("it has no inputs or no outputs")
	}
	if m.BatchAxis && len(m.Unbatched) > 0 {
		return nil, fmt.Errorf("%v take no batch axis, but the model is said to have one", m.Unbatched)
	}
	p := &plan{batch: m.BatchAxis, why: m.BatchWhy, index: -1}
	for _, s := range m.Inputs {
		in, err := newPort(s, !slices.Contains(m.Unbatched, s.Name))
		if err != nil {
			return nil, fmt.Errorf("input %w", err)
		}
		if in.size < 0 {
			return nil, fmt.Errorf("input %q has open dimensions %v", s.Name, s.Shape)
		}
		p.in = append(p.in, in)
		p.itemIn += in.size
	}
	for i, s := range m.Outputs {
		out, err := newOutput(s, m)
		if err != nil {
			return nil, fmt.Errorf("output %w", err)
		}
		if out.rows && s.Name == m.Ragged.Index {
			p.index = i
		}
		if out.size < 0 && s.Type == tensor.Float16 {
			return nil, fmt.Errorf("output %q is FP16 with open dimensions %v, which this engine cannot read", s.Name, s.Shape)
		}
		p.out = append(p.out, out)
		p.itemOut += max(out.size, 0)
	}
	if len(m.Ragged.Outputs) > 0 && p.index < 0 {
		return nil, fmt.Errorf("no output %q tells to which items the rows of %v belong", m.Ragged.Index, m.Ragged.Outputs)
	}
	return p, p.fits(size)
}

// newOutput is a port of an output. How many rows there are only a run tells.
func newOutput(s tensor.Spec, m *engine.Model) (port, error) {
	if !slices.Contains(m.Ragged.Outputs, s.Name) {
		return newPort(s, !slices.Contains(m.Unbatched, s.Name))
	}
	if s.Name == m.Ragged.Index && s.Type != tensor.Int64 {
		return port{}, fmt.Errorf("%q is to say whose a row is, and is %s, not INT64", s.Name, s.Type)
	}
	p, err := newPort(s, false)
	if p.bare() {
		return p, fmt.Errorf("%q has no dimensions, and cannot have rows", s.Name)
	}
	p.rows, p.size = true, -1
	return p, err
}

func newPort(s tensor.Spec, lead bool) (port, error) {
	p := port{Spec: s, kind: kinds[s.Type], lead: lead, size: -1}
	if s.Type == tensor.Invalid {
		return p, fmt.Errorf("%q has no element type", s.Name)
	}
	if p.bare() && s.Type == tensor.Float16 {
		return p, fmt.Errorf("%q is an FP16 scalar, which this engine cannot pass", s.Name)
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

// fits checks a batch of n items against what the model and the memory allow.
func (p *plan) fits(n int) error {
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

// check reports how the rows break the plan. It allocates nothing when they do
// not.
func (p *plan) check(rows []payload.Row, results []payload.Result) error {
	if len(rows) == 0 || len(rows) != len(results) {
		return fmt.Errorf("%d items with room for %d results", len(rows), len(results))
	}
	if err := p.fits(len(rows)); err != nil {
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
	return nil
}
