package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

// probe is a loaded model that takes and returns whole tensors. One goroutine uses it at a
// time.
type probe struct {
	backend *Backend
	model   engine.Model // without a batch axis: each tensor is whole
	plan    *plan
	run     *ort.DynamicAdvancedSession
}

// Probe loads m to find out how its tensors hold items.
func (b *Backend) Probe(ctx context.Context, m *engine.Model) (engine.Probe, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &probe{backend: b, model: *m}
	p.model.BatchAxis, p.model.Axes, p.model.Ragged = false, nil, engine.RaggedOutputs{}
	p.model.Inputs, p.model.Outputs = slices.Clone(m.Inputs), slices.Clone(m.Outputs)
	p.model.Unbatched = nil
	for i := range p.model.Inputs {
		in := &p.model.Inputs[i]
		if in.Optional = false; in.Shape == nil || len(in.Shape) > 0 || in.Type != tensor.Float16 && in.Type != tensor.BFloat16 && in.Type != tensor.String {
			in.Shape = []int64{0} // each run has its own shape
		}
		p.model.Unbatched = append(p.model.Unbatched, in.Name)
	}
	for i := range p.model.Outputs {
		out := &p.model.Outputs[i]
		p.model.Unbatched = append(p.model.Unbatched, out.Name)
		if len(out.Shape) > 0 {
			out.Shape = slices.Repeat([]int64{-1}, len(out.Shape))
		} else {
			out.Shape = nil
		}
	}
	for i := range p.model.Constants {
		p.model.Unbatched = append(p.model.Unbatched, p.model.Constants[i].Name)
	}
	if err := p.load(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *probe) load() (err error) {
	if p.plan, err = newPlan(&p.model, 1); err != nil {
		return fmt.Errorf("the model cannot be served: %w", err)
	}
	c := knob.Config{Settings: knob.Default(knob.Eager)}
	c.Arena = "off" // an arena would keep what the batches of a probe need
	options, err := p.backend.options(c, nil)
	if err != nil {
		return fmt.Errorf("session options: %s", oneLine(err))
	}
	defer options.Destroy()
	if p.run, _, err = p.backend.load(&p.model, c, p.plan, options); err != nil {
		return fmt.Errorf("the model cannot be loaded: %w", err)
	}
	return nil
}

// Run runs whole tensors. If an output turns out to have no dimensions although the graph
// declares some, it loads the model again in a way that can return them.
func (p *probe) Run(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(in) != len(p.plan.in) {
		return nil, fmt.Errorf("%d inputs, the model takes %d", len(in), len(p.plan.in))
	}
	out, err := p.runOnce(in)
	if e, ok := errors.AsType[*runtimeError](err); !ok || !strings.Contains(e.raw, "shape has no dimensions") {
		return out, err
	}
	for i := range p.model.Outputs {
		p.model.Outputs[i].Shape = nil
	}
	if err := p.Close(); err != nil {
		return nil, err
	}
	if err := p.load(); err != nil {
		return nil, err
	}
	return p.runOnce(in)
}

func (p *probe) runOnce(in []tensor.Tensor) ([]tensor.Tensor, error) {
	values, err := p.inputs(in)
	defer destroy(values)
	if err != nil {
		return nil, err
	}
	out := make([]ort.Value, len(p.plan.outNames))
	defer func() { destroy(out) }()
	if len(out) > 0 { // else all outputs are inputs
		if err := p.run.Run(values, out); err != nil {
			return nil, plain(err, p.backend.log)
		}
	}
	runtime.KeepAlive(in)
	return p.outputs(in, out)
}

// inputs makes the runtime's values of whole tensors.
func (p *probe) inputs(in []tensor.Tensor) ([]ort.Value, error) {
	values := make([]ort.Value, len(in))
	for i, t := range in {
		data := t.Data
		if len(data) == 0 {
			data = make([]byte, 1) // the wrapper needs a byte even for no elements
		}
		var err error
		if p.plan.in[i].lifted {
			t.Shape = []int64{1}
		}
		if port := &p.plan.in[i]; port.isText() {
			var texts []string
			if texts, err = textsOf(t.Data); err == nil {
				values[i], err = newTexts(t.Shape, texts)
			}
		} else if len(t.Shape) == 0 && port.binding.scalar != nil {
			values[i], err = port.binding.scalar(data)
		} else if v, e := ort.NewCustomDataTensor(t.Shape, data, port.elem); e == nil {
			values[i] = v
		} else {
			err = e
		}
		if err != nil {
			return values, fmt.Errorf("input %q: %s", p.plan.in[i].Name, oneLine(err))
		}
	}
	return values, nil
}

// outputs returns the runtime's values as whole tensors.
func (p *probe) outputs(in []tensor.Tensor, values []ort.Value) ([]tensor.Tensor, error) {
	out := make([]tensor.Tensor, len(p.plan.out))
	for i := range p.plan.out {
		port := &p.plan.out[i]
		t := tensor.Tensor{Type: port.Type}
		switch {
		case port.input >= 0:
			from := in[port.input]
			t.Shape, t.Data = slices.Clone(from.Shape), slices.Clone(from.Data)
		case port.same >= 0:
			t = out[port.same]
		case port.flat:
			var err error
			if t.Shape, t.Data, err = flatOutput(port, values[port.slot], values[port.slot+1]); err != nil {
				return nil, err
			}
		case port.isText():
			var err error
			if t.Shape, t.Data, err = textOutput(port, values[port.slot]); err != nil {
				return nil, err
			}
		default:
			data, ok := port.bytesOf(values[port.slot])
			if !ok {
				return nil, wrongType(port, values[port.slot])
			}
			t.Shape, t.Data = values[port.slot].GetShape(), data
		}
		out[i] = t
	}
	return out, nil
}

// Session serves m with the loaded model, or loads it again if m reads other outputs.
func (p *probe) Session(ctx context.Context, m *engine.Model) (engine.Session, error) {
	c := knob.Config{Settings: knob.Default(knob.Eager)}
	plan, err := newPlan(m, 1)
	if err != nil {
		return nil, fmt.Errorf("the model cannot be served: %w", err)
	}
	if !slices.Equal(plan.inNames, p.plan.inNames) || !slices.Equal(plan.outNames, p.plan.outNames) {
		return p.backend.Open(ctx, m, c)
	}
	s := newSession(plan, c, p.backend.log)
	s.run, s.borrowed = p.run, true
	return s, nil
}

// Close frees the model.
func (p *probe) Close() error {
	if p.run == nil {
		return nil
	}
	err := p.run.Destroy()
	p.run = nil
	trimHeap()
	return err
}
