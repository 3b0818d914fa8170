package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx/provider"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// tryTolerance is the largest difference, as a share of the largest number, at which the answer of a GPU
// is that of the CPU. FP32 on a GPU may use TF32, whose mantissa has 10 bits.
const tryTolerance = 0.01

// TryProvider probes a provider: it runs m on the CPU and on the GPU and compares the answers, in
// FP32 and in FP16. library is the path of the loaded library. A provider that does not work may write to stderr, or
// end the process: call it in a child. m is to be small; its inputs are made up.
func (b *Backend) TryProvider(ctx context.Context, m *engine.Model, n provider.Name, library string) provider.Finding {
	f := provider.Finding{Provider: n}
	probe := &Backend{version: b.version, cores: b.cores, log: b.log}
	probe.UseGPUs(GPUs{Findings: []provider.Finding{{Provider: n, Usable: true, Half: true}}})
	c := knob.Config{Settings: knob.Default(knob.Eager)}
	c.Provider = string(n)
	want, err := probe.answer(ctx, m, c)
	if err != nil {
		f.Why = "the model of the probe does not run on the CPU: " + err.Error()
		return f
	}
	c.Device = "gpu"
	got, err := probe.answer(ctx, m, c)
	if err != nil {
		f.Why, f.Fix = provider.Diagnose(n, err.Error(), missingLibraries(n, library))
		return f
	}
	d := largestDifference(want, got)
	if d > tryTolerance {
		f.Why = fmt.Sprintf("its answer differs from that of the CPU by %.2g of the largest number", d)
		return f
	}
	f.Usable, f.Largest = true, d
	c.Precision = knob.HalfPrecision
	if got, err = probe.answer(ctx, m, c); err != nil {
		f.HalfWhy, _ = provider.Diagnose(n, err.Error(), nil)
		return f
	}
	if d := largestDifference(want, got); d > 5*tryTolerance {
		f.HalfWhy = fmt.Sprintf("its answer differs from that of FP32 by %.2g of the largest number", d)
		return f
	}
	f.Half = true
	return f
}

// answer runs one made-up item.
func (b *Backend) answer(ctx context.Context, m *engine.Model, c knob.Config) (out tensor.Item, err error) {
	s, err := b.Open(ctx, m, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rows := []payload.Row{{Item: tensor.SampleItem(m.Inputs, rand.New(rand.NewPCG(1, 2)))}}
	results := make([]payload.Result, 1)
	if err := s.Run(ctx, rows, results); err != nil {
		return nil, err
	}
	return results[0].Outputs, results[0].Err
}

// largestDifference is the largest difference of two numbers, as a share of the largest number of its output; infinite
// if the outputs have different sizes or a number is not finite.
func largestDifference(want, got tensor.Item) float64 {
	if len(want) != len(got) {
		return math.Inf(1)
	}
	worst := 0.0
	for i := range want {
		a, b := want[i].Numbers(), got[i].Numbers()
		if len(a) != len(b) {
			return math.Inf(1)
		}
		diff, largest := 0.0, 0.0
		for k := range a {
			d := math.Abs(a[k] - b[k])
			if math.IsNaN(d) {
				return math.Inf(1)
			}
			diff, largest = max(diff, d), max(largest, math.Abs(a[k]))
		}
		if diff > 0 {
			worst = max(worst, diff/largest)
		}
	}
	return worst
}
