package onnx

import (
	"os"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

// Estimate is the least memory that a pool with the settings of c takes, in
// bytes:
//
//	weights x sessions + twin + workers x batch size x (inputs + outputs of an item)
//
// Weights are the model's size, half of it for FP16, and sessions are 1 when
// shared, else one for each worker; twin is the FP16 model kept in memory. What
// the runtime adds, repacked weights and values in between, is often as much
// again and is left out: nobody knows it before a run.
func (b *Backend) Estimate(m *engine.Model, c knob.Config) int64 {
	weights, twin := modelSize(m), int64(0)
	if c.Precision == knob.HalfPrecision {
		weights /= 2
		twin = weights
	}
	sessions := int64(1)
	if !shares(c) {
		sessions = int64(c.Workers)
	}
	total := weights*sessions + twin
	if p, err := newPlan(m, 1); err == nil { // else Open says why
		total += int64(c.Workers) * int64(c.BatchSize) * (p.itemIn + p.itemOut)
	}
	return total
}

func modelSize(m *engine.Model) int64 {
	if m.Path == "" {
		return int64(len(m.Bytes))
	}
	st, err := os.Stat(m.Path)
	if err != nil {
		return 0 // Open says why
	}
	return st.Size()
}
