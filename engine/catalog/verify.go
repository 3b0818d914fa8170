package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// verify completes m with the first candidate that is right when it runs. If inputs have open
// dimensions, it tries sizes for them until one runs.
func verify(ctx context.Context, m engine.Model, r *graphInfo, probe engine.Backend) (*engine.Model, error) {
	if probe == nil {
		candidates := r.candidates()
		m.BatchWhy = candidates[0].reason(r.why) + "; not verified by running"
		if err := r.search.assume(&m); err != nil {
			return nil, err
		}
		return candidates[0].complete(m), nil
	}
	if r.search != nil {
		return r.search.verify(ctx, m, r, probe)
	}
	return verifySized(ctx, m, m.Inputs, r, probe)
}

// verifySized is verify with items of the inputs sized, which have no open dimension.
func verifySized(ctx context.Context, m engine.Model, sized []tensor.Spec, r *graphInfo, probe engine.Backend) (*engine.Model, error) {
	candidates := r.candidates()
	m.BatchWhy = r.why
	var last error
	for _, d := range candidates {
		outputs, err := d.try(ctx, m, sized, probe)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			if d.batch {
				m.BatchWhy = d.reason(r.why) + "; 1 and 2 items ran and agree"
			}
			d.outputs = correctShapes(d.outputs, outputs)
			return d.complete(m), nil
		}
		if last = err; d.batch {
			m.BatchWhy = fmt.Sprintf("%s, but %v", d.reason(r.why), err)
		}
	}
	return nil, last
}

// complete returns m with the outputs of the candidate.
func (d candidate) complete(m engine.Model) *engine.Model {
	m.BatchAxis, m.Outputs, m.Unbatched, m.Ragged = d.batch, d.outputs, d.unbatched, d.ragged
	return &m
}

// reason returns why, with the index of ragged outputs added.
func (d candidate) reason(why string) string {
	if d.ragged.Index == "" {
		return why
	}
	return why + ", " + d.ragged.Index + " maps entries to items"
}

// try runs one sample item and, if the candidate allows batches, another one and both
// together. It returns the outputs of the items that ran alone. It ignores the declared
// sizes of outputs, because exporters often declare the sizes of their sample. The items
// have the sizes of sized.
func (d candidate) try(ctx context.Context, m engine.Model, sized []tensor.Spec, probe engine.Backend) (outputs []tensor.Item, err error) {
	d.outputs = withOpenShapes(d.outputs)
	c := knob.Config{Settings: knob.Default(knob.Eager)}
	if d.batch {
		c.BatchSize = 2
	}
	s, err := probe.Open(ctx, d.complete(m), c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rng := rand.New(rand.NewPCG(1, 1))
	a := tensor.SampleItem(sized, rng)
	first, err := runItems(ctx, s, a)
	if err != nil || !d.batch {
		return first, err
	}
	b := tensor.SampleItem(sized, rng)
	second, err := runItems(ctx, s, b)
	if err != nil {
		return nil, err
	}
	both, err := runItems(ctx, s, a, b)
	if err != nil {
		return nil, err
	}
	alone := []tensor.Item{first[0], second[0]}
	if err := d.checkEntries(alone...); err != nil {
		return nil, err
	}
	if outputsAgree(alone, both) {
		return alone, nil
	}
	again, err := runItems(ctx, s, a)
	if err == nil && !outputsAgree(first, again) {
		err = errors.New("the same item has other outputs each time it runs, so that a batch cannot be verified")
	} else if err == nil {
		err = errors.New("2 items together have other outputs than each alone")
	}
	return nil, err
}

func runItems(ctx context.Context, s engine.Session, items ...tensor.Item) ([]tensor.Item, error) {
	results := make([]payload.Result, len(items))
	if err := s.Run(ctx, payload.OfItems(items...), results); err != nil {
		return nil, fmt.Errorf("%s failed: %w", count(len(items)), err)
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

func count(n int) string {
	if n == 1 {
		return "1 sample item"
	}
	return fmt.Sprintf("%d sample items", n)
}

// withOpenShapes returns specs with all dimensions open, so that the backend accepts any size. It
// cannot open those of FP16, because the backend must know its size.
func withOpenShapes(specs []tensor.Spec) []tensor.Spec {
	out := slices.Clone(specs)
	for i, s := range out {
		if s.Shape != nil && s.Type != tensor.Float16 {
			out[i].Shape = slices.Repeat([]int64{-1}, len(s.Shape))
		}
	}
	return out
}

// correctShapes corrects the declared shapes with actual outputs: an unknown rank is set, a
// dimension with another size becomes open.
func correctShapes(declared []tensor.Spec, outputs []tensor.Item) []tensor.Spec {
	out := slices.Clone(declared)
	for i := range out {
		for _, item := range outputs {
			got := item[i].Shape
			shape := slices.Clone(out[i].Shape) // nil if the rank is unknown
			if len(shape) != len(got) {
				shape = slices.Repeat([]int64{-1}, len(got))
			}
			for j, d := range shape {
				if d != got[j] {
					shape[j] = -1 // open
				}
			}
			out[i].Shape = shape
		}
	}
	return out
}
