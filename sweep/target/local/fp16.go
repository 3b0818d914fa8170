package local

import (
	"context"

	"sweetspot/engine/api/control"
	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

// CheckFP16 compares the FP16 outputs of the model with its FP32 outputs on the device in force,
// once for each device. It may open the model a second time in the child.
func (t *Target) CheckFP16(ctx context.Context) (trial.FP16Agreement, error) {
	t.mu.Lock()
	device := t.lastSettings.Device
	known, ok := t.agreements[device]
	t.mu.Unlock()
	if ok {
		return known, nil
	}
	var in control.Agreement
	s, _, err := t.query(ctx, "precision", struct{}{}, &in)
	if err != nil {
		return trial.FP16Agreement{}, err
	}
	out := trial.FP16Agreement{Samples: in.Samples, Agree: in.Agree, Clipped: in.Clipped}
	if in.Largest != nil {
		out.Largest = trial.NumOf(*in.Largest)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.agreements == nil {
		t.agreements = map[string]trial.FP16Agreement{}
	}
	t.agreements[device] = out
	for _, s.Precision = range []knob.Precision{knob.FullPrecision, knob.HalfPrecision} {
		t.ranSettings[memoryKey(s)] = true // both were open, so that the memory of the child is not that of one
	}
	return out, nil
}
