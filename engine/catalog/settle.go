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

// settle completes m by the first draft that keeps its promise when run.
func settle(ctx context.Context, m engine.Model, r *reading, probe engine.Backend) (*engine.Model, error) {
	drafts := r.drafts()
	if probe == nil {
		m.BatchWhy = drafts[0].basis(r.why) + "; not verified by running"
		return drafts[0].complete(m), nil
	}
	m.BatchWhy = r.why
	var last error
	for _, d := range drafts {
		seen, err := d.try(ctx, m, probe)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			if d.batch {
				m.BatchWhy = d.basis(r.why) + "; 1 and 2 items ran and agree"
			}
			d.outputs = refine(d.outputs, seen)
			return d.complete(m), nil
		}
		if last = err; d.batch {
			m.BatchWhy = fmt.Sprintf("%s, but %v", d.basis(r.why), err)
		}
	}
	return nil, last
}

// complete is m as the draft has it.
func (d draft) complete(m engine.Model) *engine.Model {
	m.BatchAxis, m.Outputs, m.Unbatched, m.Ragged = d.batch, d.outputs, d.whole, d.rows
	return &m
}

// basis adds to why the model takes a batch how its outputs are told apart.
func (d draft) basis(why string) string {
	if d.rows.Index == "" {
		return why
	}
	return why + ", " + d.rows.Index + " tells whose a row is"
}

// try runs one made-up item and, if the draft allows batches, another and both
// together. It returns the outputs of the items that ran alone. What the graph
// says about the size of outputs is not relied on: exporters write what their
// sample gave.
func (d draft) try(ctx context.Context, m engine.Model, probe engine.Backend) (seen []tensor.Item, err error) {
	d.outputs = loose(d.outputs)
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
	a := tensor.SampleItem(m.Inputs, rng)
	first, err := runItems(ctx, s, a)
	if err != nil || !d.batch {
		return first, err
	}
	b := tensor.SampleItem(m.Inputs, rng)
	second, err := runItems(ctx, s, b)
	if err != nil {
		return nil, err
	}
	both, err := runItems(ctx, s, a, b)
	if err != nil {
		return nil, err
	}
	alone := []tensor.Item{first[0], second[0]}
	if err := d.checkable(alone...); err != nil {
		return nil, err
	}
	if agree(alone, both) {
		return alone, nil
	}
	again, err := runItems(ctx, s, a)
	if err == nil && !agree(first, again) {
		err = errors.New("an item has another answer each time it runs, so that a batch cannot be checked")
	} else if err == nil {
		err = errors.New("2 items together have other answers than each alone")
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
		return "1 made-up item"
	}
	return fmt.Sprintf("%d made-up items", n)
}

// loose opens the dimensions of outputs, so that the backend takes what comes.
// It cannot for FP16, whose size it has to know.
func loose(specs []tensor.Spec) []tensor.Spec {
	out := slices.Clone(specs)
	for i, s := range out {
		if s.Shape != nil && s.Type != tensor.Float16 {
			out[i].Shape = slices.Repeat([]int64{-1}, len(s.Shape))
		}
	}
	return out
}

// refine corrects declared outputs by what was seen: an unknown rank becomes
// known, a dimension that came out otherwise becomes open.
func refine(declared []tensor.Spec, seen []tensor.Item) []tensor.Spec {
	out := slices.Clone(declared)
	for i := range out {
		for _, item := range seen {
			got := item[i].Shape
			shape := slices.Clone(out[i].Shape) // nil when the rank is unknown
			if len(shape) != len(got) {
				shape = slices.Repeat([]int64{-1}, len(got))
			}
			for j, d := range shape {
				if d != got[j] {
					shape[j] = -1 // as it already is when open
				}
			}
			out[i].Shape = shape
		}
	}
	return out
}
