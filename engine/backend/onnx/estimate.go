package onnx

import (
	"os"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

// Estimate returns a lower bound of the memory of a pool with the settings of c, in bytes:
//
//	weights x sessions + FP16 model + workers x batch size x (inputs + outputs of an item)
//
// weights is the size of the model, half of it for FP16. sessions is 1 if shared, else the
// number of workers. The FP16 model is the converted model that stays in memory. The runtime
// often needs as much memory again for repacked weights and intermediate values, which is not
// known before a run.
func (b *Backend) Estimate(m *engine.Model, c knob.Config) int64 {
	weights, converted := modelSize(m), int64(0)
	if c.Precision == knob.HalfPrecision {
		weights /= 2
		converted = weights
	}
	sessions := int64(1)
	if !b.isShared(c) {
		sessions = int64(c.Workers)
	}
	total := weights*sessions + converted
	if p, err := newPlan(m, 1); err == nil { // else Open returns the error
		total += int64(c.Workers) * int64(c.BatchSize) * (p.itemIn + p.itemOut)
	}
	return total
}

func modelSize(m *engine.Model) int64 {
	if m.Size > 0 {
		return m.Size
	}
	if m.Path == "" {
		return int64(len(m.Bytes))
	}
	st, err := os.Stat(m.Path)
	if err != nil {
		return 0 // Open returns the error
	}
	return st.Size()
}
