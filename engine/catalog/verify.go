package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// extraTime bounds the comparisons after the first batch: a slow model shows less.
const extraTime = 3 * time.Second

// errNoEntries means that the examples are not enough to verify a batch.
var errNoEntries = errors.New("a sample item had no entries, so that a batch cannot be verified")

// verifier finds out how a loaded model holds items.
type verifier struct {
	ctx    context.Context
	probe  engine.Probe
	base   engine.Model // without inputs and outputs
	d      *description
	bodies []Body
	images handler.ImageOptions
	// handler makes the handler that decodes the bodies; nil is that of a model without one.
	handler func() *torchserve.Handler
	start   time.Time
	mixed   error // why a batch of some length is wrong in the present layout; nil if none is known
	size    int   // of the batches that the settings allow; 0 is unknown
}

// verify completes base with the first layout whose batches are right when they run. Without
// one, the model takes one item at a time. A model that runs none of its examples is served
// too, with a warning: only those who made it know what it accepts.
func verify(ctx context.Context, base engine.Model, d *description, o Options, h func() *torchserve.Handler) (*engine.Model, error) {
	layouts, err := d.layouts()
	if err != nil {
		return nil, err
	}
	if base.Constants, err = layouts[0].constants(); err != nil {
		return nil, err
	}
	v := &verifier{ctx: ctx, base: base, d: d, bodies: o.Bodies, images: o.Images, handler: h, start: time.Now(), size: o.BatchSize}
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
	if c, ok := v.probe.(interface{ Crash() error }); ok && c.Crash() != nil {
		return nil, fmt.Errorf("%w; another ONNX Runtime may run it, or give bodies that it accepts with --input", c.Crash())
	}
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
		m.Inputs = append(m.Inputs, tensor.Spec{Name: in.Name, Type: in.typ, Shape: dimSizes(in.Dims)})
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
		whole := single != nil && !l.batch
		if whole && !at.isLength() {
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
		if errors.Is(err, engine.ErrCrashed) {
			return nil, nil, err
		}
		switch {
		case err == nil && m.BatchAxis:
			return m, l, nil
		case err == nil && single == nil:
			single, at = m, l
		case err == nil && whole:
			m.BatchWhy = single.BatchWhy + "; it is taken for a length"
			return m, l, nil
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
	v.mixed = nil
	e, err := v.findBodies(l)
	if err != nil {
		return nil, err
	}
	var m *engine.Model
	switch {
	case len(e.list) > 0:
		m, err = v.tryBodies(l, e)
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

// tryBodies makes the model for examples that are bodies.
func (v *verifier) tryBodies(l *layout, e examples) (*engine.Model, error) {
	m, err := v.modelOf(l, e)
	if err != nil || l.search == nil {
		return m, err
	}
	if err = l.search.verifyLengths(v, l, m); isMixed(err) {
		v.mixed = err
		m, err = v.modelOf(l, e)
	}
	if err != nil {
		return nil, err
	}
	l.search.inputs = m.Inputs
	m.LoadLengths = l.search.lengthsOrNone()
	m.Samples = v.bodySamples(l, e)
	return m, nil
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
		m, err := (*engine.Model)(nil), v.mixed
		if err == nil {
			m, err = v.tryBatches(l, e)
		}
		if err == nil {
			return m, nil
		}
		if v.ctx.Err() != nil {
			return nil, v.ctx.Err()
		}
		_, l.mixes = errors.AsType[runs.Mixed](err)
		why = fmt.Sprintf("%s, but %v", v.d.batchWhy(l), err)
		if l.mixes && !l.isLength() && l.takesNumbers() {
			why += "; if that is no batch, --no-batch takes it as a whole"
		}
	}
	return v.trySingle(l, e, why)
}

// tryBatches is tryBatch, also without ragged outputs: what has the name of an index may be data.
func (v *verifier) tryBatches(l *layout, e examples) (*engine.Model, error) {
	m, err := v.tryBatch(l, e)
	if err == nil || v.ctx.Err() != nil || v.d.raggedIndex(l) == "" {
		return m, err
	}
	plain := *l
	plain.plain = true
	if m, failed := v.tryBatch(&plain, e); failed == nil {
		l.plain = true
		return m, nil
	}
	return nil, err
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
