package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

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
	in      []tensorPort // the inputs of an item, then the constants
	items   int          // inputs of an item
	out     []tensorPort
	index   int    // the output that maps entries to items, or -1
	batch   bool   // several items may run together
	side    bool   // an input of an item is one value for the whole batch
	why     string // why not batch
	open    bool   // an input has open dimensions; the rows of a run have equal shapes
	itemIn  int64  // bytes of one item's inputs of fixed size
	itemOut int64  // bytes of one item's outputs of fixed size

	inNames, outNames []string // of the runtime's values, by slot
	added             []addition
	lifted            []string // inputs that get a dimension, see liftInputs
}

// newPlan makes a plan and checks it for batches of size items.
func newPlan(m *engine.Model, size int) (*plan, error) {
	if len(m.Inputs) == 0 || len(m.Outputs) == 0 {
		return nil, errors.New("it has no inputs or no outputs")
	}
	p := &plan{batch: m.BatchAxis, why: m.BatchWhy, index: -1, items: len(m.Inputs)}
	if err := p.addInputs(m); err != nil {
		return nil, fmt.Errorf("input %w", err)
	}
	for _, s := range m.Outputs {
		if err := p.addOutput(s, m); err != nil {
			return nil, fmt.Errorf("output %w", err)
		}
	}
	if len(m.Ragged.Outputs) > 0 && p.index < 0 {
		return nil, fmt.Errorf("there is no output %q to map the entries of %v to items", m.Ragged.Index, m.Ragged.Outputs)
	}
	return p, p.checkSize(size)
}

func (p *plan) addInputs(m *engine.Model) error {
	for _, s := range m.Inputs {
		in, err := newPort(s, m)
		if err != nil {
			return err
		}
		if s.Shape == nil {
			return fmt.Errorf("%q has no known rank", s.Name)
		}
		if s.Optional {
			in.fill = m.Defaults[s.Name].Data
		}
		p.in = append(p.in, in)
		p.side = p.side || p.batch && !in.batched
	}
	for _, c := range m.Constants {
		in, err := newPort(tensor.Spec{Name: c.Name, Type: c.Type, Shape: c.Shape}, m)
		if err != nil {
			return err
		}
		in.constant, in.fill, in.follows = true, c.Data, c.Follows
		p.in = append(p.in, in)
	}
	for i := range p.in {
		in := &p.in[i]
		if err := in.checkInput(); err != nil {
			return err
		}
		in.slot = i
		if in.lifted {
			p.lifted = append(p.lifted, in.Name)
			p.inNames = append(p.inNames, prefix+in.Name)
		} else {
			p.inNames = append(p.inNames, in.Name)
		}
		p.open = p.open || in.size < 0
		p.itemIn += max(in.size, 0)
	}
	return nil
}

func (p *plan) addOutput(s tensor.Spec, m *engine.Model) error {
	out, err := newOutput(s, m)
	if err != nil {
		return err
	}
	i := len(p.out)
	if out.ragged && s.Name == m.Ragged.Index {
		p.index = i
	}
	out.input = slices.IndexFunc(p.in, func(in tensorPort) bool { return in.Name == s.Name })
	out.same = slices.IndexFunc(p.out, func(o tensorPort) bool { return o.Name == s.Name })
	p.itemOut += max(out.size, 0)
	if out.input < 0 && out.same < 0 {
		p.request(&out, m.ReadFrom[s.Name])
	}
	p.out = append(p.out, out)
	return nil
}

// request gives the output a slot of the runtime's outputs.
func (p *plan) request(out *tensorPort, readFrom string) {
	out.slot = len(p.outNames)
	switch {
	case out.flat:
		shape, flat := addFlat(out.Name, readFrom, out.Type)
		p.added = append(p.added, shape, flat)
		p.outNames = append(p.outNames, shape.output, flat.output)
	case readFrom != "":
		read := addRead(out.Name, readFrom, out.Type)
		p.added = append(p.added, read)
		p.outNames = append(p.outNames, read.output)
	default:
		p.outNames = append(p.outNames, out.Name)
	}
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
		if len(item) != p.items {
			return fmt.Errorf("item %d has %d inputs, the model takes %d", k, len(item), p.items)
		}
		for i := range p.items {
			if err := p.in[i].Check(item[i]); err != nil {
				return fmt.Errorf("item %d: %w", k, err)
			}
		}
	}
	if p.open || p.side {
		return p.checkEqual(rows)
	}
	return nil
}

// maxBytes is the largest size of one item's tensor.
const maxBytes = math.MaxInt64 / 8
