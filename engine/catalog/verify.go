package catalog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// extraTime bounds the comparisons after the first batch: a slow model shows less.
const extraTime = 3 * time.Second

// errNoEntries means that the examples are not enough to verify a batch.
var errNoEntries = errors.New("a sample item had no entries, so that a batch cannot be verified")

// verify completes base with the first layout whose batches are right when they run. Without
// one, the model takes one item at a time. A model that runs none of its examples is served
// too, with a warning: only those who made it know what it accepts.
func verify(ctx context.Context, base engine.Model, d *description, o Options) (*engine.Model, error) {
	layouts, err := d.layouts()
	if err != nil {
		return nil, err
	}
	if base.Constants, err = layouts[0].constants(); err != nil {
		return nil, err
	}
	v := &verifier{ctx: ctx, base: base, d: d, bodies: o.Bodies, images: o.Images, start: time.Now()}
	if o.Probe == nil {
		l := &layouts[0]
		m := v.unverified(l)
		if err := l.search.assume(m); err != nil {
			return nil, err
		}
		return m, addPadding(ctx, m, l.search, o)
	}
	if v.probe, err = o.Probe.Probe(ctx, v.loadable()); err != nil {
		return nil, err
	}
	defer func() { _ = v.probe.Close() }()
	m, l, err := v.choose(v.withOpen(layouts))
	if err != nil {
		return nil, err
	}
	return m, addPadding(ctx, m, l.search, o)
}

// unverified is the model as its graph describes it.
func (v *verifier) unverified(l *layout) *engine.Model {
	batch, why := l.batch, l.why
	if name := v.d.scalarOutput(l); batch && name != "" {
		batch, why = false, axisError(name, nil, 0).Error()
	}
	m := v.model(l, l.specs(), v.declaredOutputs(l, batch), batch)
	if batch {
		why = v.d.batchWhy(l)
	}
	m.BatchWhy = why + "; not verified by running"
	return m
}

// loadable is the model with what a probe needs.
func (v *verifier) loadable() *engine.Model {
	m := v.base
	for _, in := range v.d.inputs[:v.d.items()] {
		m.Inputs = append(m.Inputs, tensor.Spec{Name: in.Name, Type: in.typ})
	}
	for _, out := range v.d.outputs {
		m.Outputs = append(m.Outputs, tensor.Spec{Name: out.Name, Type: out.typ, Shape: dimSizes(out.Dims)})
	}
	return &m
}

// choose tries the layouts in order, and returns the model with its layout.
func (v *verifier) choose(layouts []layout) (*engine.Model, *layout, error) {
	var single *engine.Model
	var at *layout
	var failed error
	for i := range layouts {
		l := &layouts[i]
		if single != nil && !l.batch {
			continue
		}
		constants, err := l.constants()
		if err != nil {
			continue // they fit the first layout
		}
		v.base.Constants = constants
		m, err := v.try(l)
		if v.ctx.Err() != nil {
			return nil, nil, context.Cause(v.ctx)
		}
		switch {
		case err == nil && m.BatchAxis:
			return m, l, nil
		case err == nil && single == nil:
			single, at = m, l
		case err != nil && failed == nil:
			failed = err
		}
	}
	if single != nil {
		return single, at, nil
	}
	if _, ok := errors.AsType[*sizeError](failed); ok {
		return nil, nil, failed
	}
	m, err := v.unsampled(&layouts[0], failed)
	return m, &layouts[0], err
}

// try makes the model for a layout. The error says why no example ran.
func (v *verifier) try(l *layout) (*engine.Model, error) {
	e, err := v.findBodies(l)
	if err != nil {
		return nil, err
	}
	var m *engine.Model
	switch {
	case len(e.list) > 0:
		if m, err = v.modelOf(l, e); err == nil && l.search != nil {
			l.search.inputs = m.Inputs
			m.LoadLengths = l.search.lengthsOrNone()
			m.Samples = v.bodySamples(l, e)
		}
	case l.search != nil:
		m, err = l.search.verify(v, l)
	default:
		var made examples
		if made, err = v.makeExamples(l, l.specs()); err == nil {
			m, err = v.modelOf(l, made)
		}
	}
	if err == nil && e.note != "" {
		m.Warnings = append(m.Warnings, e.note+ifElse(len(e.list) > 0, "; others do", "; made-up values were used instead"))
	}
	return m, err
}

func ifElse(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

// modelOf makes the model for the examples: for batches if theirs are right, else for one item
// at a time.
func (v *verifier) modelOf(l *layout, e examples) (*engine.Model, error) {
	why := l.why
	if l.batch {
		m, err := v.tryBatch(l, e)
		if err == nil {
			return m, nil
		}
		if v.ctx.Err() != nil {
			return nil, v.ctx.Err()
		}
		why = fmt.Sprintf("%s, but %v", v.d.batchWhy(l), err)
	}
	return v.trySingle(l, e, why)
}

// unsampled is a model that refused all examples with err.
func (v *verifier) unsampled(l *layout, err error) (*engine.Model, error) {
	var outputs []outputLayout
	for i := range v.d.outputs {
		outputs = append(outputs, outputLayout{axis: v.d.declaredAxis(l, i)})
	}
	constants, failed := l.constants()
	if failed != nil {
		return nil, failed
	}
	v.base.Constants = constants
	m := v.model(l, l.specs(), outputs, false)
	m.Unsampled = true
	if l.search != nil {
		m.LoadLengths = l.search.lengthsOrNone()
	}
	m.BatchWhy = "no example ran, so that a batch cannot be verified"
	what := "made-up values do not run"
	if len(v.bodies) > 0 {
		what = "neither the bodies of --input nor made-up values run"
	}
	m.Warnings = append(m.Warnings, fmt.Sprintf(
		"%s (%v); it is served one item at a time and without a warm-up: give bodies that it accepts with --input, constants for side inputs with --value, or other sizes with --shape", what, err))
	return m, nil
}

// trySingle makes the model for one item at a time, and checks its own run. If outputs have
// other sizes there, all sizes are left open.
func (v *verifier) trySingle(l *layout, e examples, why string) (*engine.Model, error) {
	outputs := v.singleOutputs(l, e.list)
	for {
		m := v.model(l, l.withRanges(e.specs), outputs, false)
		m.BatchWhy, m.Samples = why, v.moreRows(l, e)
		err := v.checkSingle(l, m, e.list[0])
		if err == nil {
			return m, nil
		}
		if !openAll(outputs) {
			return nil, err
		}
	}
}

// openAll leaves all sizes of outputs open; false if they were open before.
func openAll(outputs []outputLayout) (changed bool) {
	for i := range outputs {
		for j, size := range outputs[i].shape {
			if size >= 0 {
				outputs[i].shape[j], changed = -1, true
			}
		}
	}
	return changed
}

// checkSingle compares an item in a session of m with the same item as whole tensors.
func (v *verifier) checkSingle(l *layout, m *engine.Model, e example) error {
	s, err := v.probe.Session(v.ctx, m)
	if err != nil {
		return err
	}
	got, err := runItems(v.ctx, s, e.item)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if distance(itemOutputs(m, e.whole), got[0]) <= agreeTolerance {
		return nil
	}
	again, err := v.probe.Run(v.ctx, l.stack(v.base.Constants, e.item))
	if err != nil || distance(again, e.whole) > agreeTolerance {
		return err // other outputs each time
	}
	return errors.New("the outputs of an item differ from those of the same run without a description of its outputs")
}

// itemOutputs returns the outputs of an item that ran alone as m describes them.
func itemOutputs(m *engine.Model, whole []tensor.Tensor) tensor.Item {
	out := make(tensor.Item, len(whole))
	for i, t := range whole {
		name := m.Outputs[i].Name
		switch {
		case slices.Contains(m.Ragged.Outputs, name):
			if name == m.Ragged.Index {
				t.Data = make([]byte, len(t.Data)) // the index of a single item
			}
		case !slices.Contains(m.Unbatched, name):
			if axis := m.Axes[name]; axis < len(t.Shape) && t.Shape[axis] == 1 {
				t.Shape = slices.Delete(slices.Clone(t.Shape), axis, axis+1)
			}
		}
		out[i] = t
	}
	return out
}

func runItems(ctx context.Context, s engine.Session, items ...tensor.Item) ([]tensor.Item, error) {
	results := make([]payload.Result, len(items))
	if err := s.Run(ctx, payload.OfItems(items...), results); err != nil {
		return nil, err
	}
	out := make([]tensor.Item, len(items))
	for i, r := range results {
		if r.Err != nil {
			return nil, r.Err
		}
		out[i] = r.Outputs
	}
	return out, nil
}

// tryBatch makes the model for batches of the layout, or returns why its batches are wrong.
func (v *verifier) tryBatch(l *layout, e examples) (*engine.Model, error) {
	list := l.alike(e.list)
	if len(list) == 1 {
		list = append(list, list[0]) // at least its place in a batch can be checked
	}
	together, err := v.probe.Run(v.ctx, l.stack(v.base.Constants, list[0].item, list[1].item))
	if err != nil {
		return nil, fmt.Errorf("2 items together fail: %w", err)
	}
	outputs, err := v.ranOutputs(l, append(list, e.list...), together, 2)
	if err != nil {
		return nil, err
	}
	for {
		m := v.model(l, l.withRanges(e.specs), outputs, true)
		m.BatchWhy = v.batchReason(l, e)
		err := v.checkBatches(m, list)
		if err == nil || v.ctx.Err() != nil {
			m.Samples = v.moreRows(l, e)
			return m, err
		}
		again, failed := v.probe.Run(v.ctx, l.stack(v.base.Constants, list[0].item))
		if failed == nil && distance(again, list[0].whole) > agreeTolerance {
			return nil, errors.New("the same item has other outputs each time it runs, so that a batch cannot be verified")
		}
		if !openAll(outputs) {
			return nil, err
		}
	}
}

// withRanges returns the inputs of the layout with the usual ranges of specs.
func (l *layout) withRanges(specs []tensor.Spec) []tensor.Spec {
	out := l.specs()
	for i := range out {
		out[i].Usual = specs[i].Usual
	}
	return out
}

// batchReason says how the batch axis was found, and how far that can be trusted.
func (v *verifier) batchReason(l *layout, e examples) string {
	why := v.d.batchWhy(l)
	if e.madeUp {
		return why + "; 1 and 2 items ran and agree (made up; --input tries yours)"
	}
	return why + "; 1 and 2 items of --input ran and agree"
}

// checkBatches compares batches in a session of m with the same items alone: pairs that share
// an item in the same place, so that its outputs must not change, and a batch of three.
func (v *verifier) checkBatches(m *engine.Model, list []example) error {
	s, err := v.probe.Session(v.ctx, m)
	if err != nil {
		return err
	}
	c := batchCheck{v: v, session: s, alone: make([]tensor.Item, len(list)), list: list}
	for i, e := range list {
		c.alone[i] = itemOutputs(m, e.whole)
	}
	return errors.Join(c.run(m), s.Close())
}

// batchCheck runs batches of examples.
type batchCheck struct {
	v       *verifier
	session engine.Session
	list    []example
	alone   []tensor.Item
}

func (c *batchCheck) run(m *engine.Model) error {
	if i := slices.IndexFunc(m.Outputs, func(s tensor.Spec) bool { return s.Name == m.Ragged.Index }); i >= 0 {
		for _, item := range c.alone[:2] {
			if len(item[i].Data) == 0 {
				return errNoEntries
			}
		}
	}
	begin := time.Now()
	pair, err := c.batch(0, 1)
	if err != nil {
		return err
	}
	last := len(c.list) - 1
	for k, other := range [][]int{{0, last}, {last, 1}} { // the same item in place k, another beside it
		if last < 2 || time.Since(begin) > extraTime {
			break
		}
		got, err := c.batch(other...)
		if err != nil {
			return err
		}
		if !independent(pair[k], got[k]) {
			return errors.New("the outputs of an item depend on the other items of its batch")
		}
	}
	if last > 1 && time.Since(begin) <= extraTime {
		_, err = c.batch(last-1, last, 0)
	}
	return err
}

// batch runs the examples at the positions together and compares each with its own run.
func (c *batchCheck) batch(at ...int) ([]tensor.Item, error) {
	var items []tensor.Item
	for _, i := range at {
		items = append(items, c.list[i].item)
	}
	got, err := runItems(c.v.ctx, c.session, items...)
	if err != nil {
		return nil, fmt.Errorf("%d items together fail: %w", len(at), err)
	}
	for k, i := range at {
		d := distance(c.alone[i], got[k])
		if d <= agreeTolerance {
			continue
		}
		other := math.Inf(1) // to the nearest of the other items
		for _, j := range at {
			if j != i {
				other = min(other, distance(c.alone[i], c.alone[j]))
			}
		}
		if d > kernelTolerance || d > other/10 {
			return nil, fmt.Errorf("%d items together have other outputs than each alone", len(at))
		}
	}
	return got, nil
}
