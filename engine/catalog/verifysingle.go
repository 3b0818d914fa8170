package catalog

import (
	"errors"
	"slices"

	"sweetspot/engine"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

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
	got, err := runs.RunItems(v.ctx, s, e.item)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if runs.Distance(itemOutputs(m, e.whole), got[0]) <= runs.AgreeTolerance {
		return nil
	}
	again, err := v.probe.Run(v.ctx, l.stack(v.base.Constants, e.item))
	if err != nil || runs.Distance(again, e.whole) > runs.AgreeTolerance {
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
