package catalog

import (
	"errors"
	"fmt"
	"slices"

	"sweetspot/engine"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// tryBatch makes the model for batches of the layout, or returns why its batches are wrong.
func (v *verifier) tryBatch(l *layout, e examples) (*engine.Model, error) {
	list := l.alike(e.list)
	if len(list) == 1 {
		list = append(list, list[0]) // at least its place in a batch can be checked
	}
	list = v.addDistinct(l, e, list)
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
		err := v.checkBatches(l, m, e, list)
		m.BatchWhy = v.batchReason(m, l, e, outputsDiffer(list))
		if err == nil || v.ctx.Err() != nil {
			m.Samples = v.moreRows(l, e)
			return m, err
		}
		again, failed := v.probe.Run(v.ctx, l.stack(v.base.Constants, list[0].item))
		if failed == nil && runs.Distance(again, list[0].whole) > runs.AgreeTolerance {
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
func (v *verifier) batchReason(m *engine.Model, l *layout, e examples, differ bool) string {
	sizes, of, made := "1 and 2", " of --input", ""
	if m.VerifiedBatch > 3 {
		sizes = fmt.Sprintf("1, 2 and %d", m.VerifiedBatch)
	}
	if e.madeUp {
		of, made = "", " (made up; --input tries yours)"
	}
	why := fmt.Sprintf("%s; %s items%s ran and agree%s", v.d.batchWhy(l), sizes, of, made)
	if !differ {
		why += "; all their answers are equal, so that it would not be seen if a batch mixed them"
	}
	if m.SideValues != nil {
		var names []string
		for _, i := range m.SideInputs() {
			names = append(names, m.Inputs[i].Name)
		}
		why += "; each other value of " + nameList(names) + " is verified when it first comes"
	}
	return why
}

// checkBatches compares batches in a session of m with the same items alone, and finds out for
// which values of the side inputs they may run together.
func (v *verifier) checkBatches(l *layout, m *engine.Model, e examples, list []example) (err error) {
	s, err := v.probe.Session(v.ctx, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	c := runs.Check{Runner: s, Size: v.batchSize(), Time: extraTime}
	for _, one := range list {
		c.Items, c.Alone = append(c.Items, one.item), append(c.Alone, itemOutputs(m, one.whole))
	}
	if err := checkEntries(m, c.Alone[:2]); err != nil {
		return err
	}
	if err := c.Run(v.ctx); err != nil {
		return err
	}
	m.VerifiedBatch = c.Reached
	v.checkSides(l, m, s, e, list)
	return nil
}

// batchSize is the size of the largest batch to compare.
func (v *verifier) batchSize() int {
	if v.size > 1 {
		return v.size
	}
	return usualBatch
}

// usualBatch is the size of the largest batch to compare if the setting is not known: items may
// be right in the first places of a batch only.
const usualBatch = 8

// checkEntries refuses examples without entries in the ragged outputs.
func checkEntries(m *engine.Model, alone []tensor.Item) error {
	i := slices.IndexFunc(m.Outputs, func(s tensor.Spec) bool { return s.Name == m.Ragged.Index })
	for _, item := range alone {
		if i >= 0 && len(item[i].Data) == 0 {
			return errNoEntries
		}
	}
	return nil
}
