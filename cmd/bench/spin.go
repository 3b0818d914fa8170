package main

import (
	"context"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// The run time of a spin model: 10 us for one item, 72 us for 32, similar to a
// small network on a CPU.
const (
	spinBatch = 8 * time.Microsecond
	spinItem  = 2 * time.Microsecond
)

const backendName = "spin"

// spin is the backend of these benchmarks. It computes nothing, but keeps a core
// busy for a fixed time, so that the rest of the time is the engine's.
type spin struct{}

// Open returns the session that all workers share.
func (spin) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return &spinSession{tensor.Item{{Type: tensor.Float32, Shape: []int64{1}, Data: make([]byte, 4)}}}, nil
}

// spinSession returns the same answer for every item. The answer is allocated once,
// so that allocations of the session are not counted as those of the engine.
type spinSession struct{ answer tensor.Item }

func (s *spinSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	end := time.Now().Add(spinBatch + time.Duration(len(in))*spinItem)
	for i := range out {
		out[i] = payload.Result{Outputs: s.answer}
	}
	for time.Now().Before(end) {
		continue
	}
	return nil
}

func (*spinSession) Shared() bool { return true }
func (*spinSession) Close() error { return nil }

// spinModel is a model for bodies of the given number of bytes.
func spinModel(name string, bytes int) *engine.Model {
	return &engine.Model{
		Name: name, Version: "1.0", Source: "bench", Backend: backendName,
		Inputs:    []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{int64(bytes / 4)}}},
		Outputs:   []tensor.Spec{{Name: "y", Type: tensor.Float32, Shape: []int64{1}}},
		BatchAxis: true,
	}
}

// spinConfig is a config with one worker and the eager rule.
func spinConfig(batch int, delay time.Duration) knob.Config {
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	c.BatchSize, c.BatchDelay = batch, delay
	return c
}

func newEngine(cores int) *engine.Engine {
	return engine.New(engine.Options{Backends: map[string]engine.Backend{backendName: spin{}}, Cores: cores})
}
