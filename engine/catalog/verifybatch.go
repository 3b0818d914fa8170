package catalog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/tensor"
)

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
