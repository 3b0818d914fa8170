package onnx

import (
	"errors"
	"fmt"
	"runtime"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine/tensor"
)

// Reference runs a model as its file has it: whole tensors, no items and no batches. It is
// for comparisons with what an engine answers. It is not safe for concurrent use.
type Reference struct {
	run *ort.DynamicAdvancedSession
}

// Reference loads the model at path, also one that this backend cannot serve, such as one
// with sequences. An error is the runtime's.
func (b *Backend) Reference(path string, inputs, outputs []string) (*Reference, error) {
	run, err := ort.NewDynamicAdvancedSession(path, inputs, outputs, nil)
	if err != nil {
		return nil, errors.New(oneLine(err))
	}
	return &Reference{run}, nil
}

// Run runs the inputs, which need all of their dimensions. The types and shapes of the
// outputs are those of like.
func (r *Reference) Run(inputs, like []tensor.Tensor) ([]tensor.Tensor, error) {
	in, err := wholeValues(inputs)
	defer destroy(in)
	if err != nil {
		return nil, err
	}
	results := make([]tensor.Tensor, len(like))
	for i, t := range like {
		results[i] = tensor.Tensor{Type: t.Type, Shape: t.Shape, Data: make([]byte, len(t.Data))}
		if t.Type == tensor.String {
			results[i].Data = nil
		}
	}
	out, err := wholeValues(results)
	defer func() { destroy(out) }()
	if err != nil {
		return nil, err
	}
	if err := r.run.Run(in, out); err != nil {
		return nil, errors.New(oneLine(err))
	}
	runtime.KeepAlive(inputs) // the runtime reads and writes this memory
	for i, v := range out {
		switch {
		case results[i].Type == tensor.String: // allocated by the runtime
			port := &tensorPort{Spec: tensor.Spec{Name: "of texts", Type: tensor.String}}
			if results[i].Shape, results[i].Data, err = textOutput(port, v); err != nil {
				return nil, err
			}
		case len(results[i].Shape) == 0: // a scalar has its own memory
			results[i].Data, _ = bindings[results[i].Type].bytesOf(v)
		}
	}
	return results, nil
}

// Close frees the model.
func (r *Reference) Close() error { return r.run.Destroy() }

// wholeValues makes the runtime's values over the memory of tensors. The caller must destroy
// them, also after an error.
func wholeValues(tensors []tensor.Tensor) ([]ort.Value, error) {
	out := make([]ort.Value, len(tensors))
	for i, t := range tensors {
		var err error
		switch b := bindings[t.Type]; {
		case t.Type == tensor.String && t.Data == nil:
		case t.Type == tensor.String:
			var texts []string
			if texts, err = textsOf(t.Data); err == nil {
				out[i], err = newTexts(t.Shape, texts)
			}
		case len(t.Shape) > 0:
			data := t.Data
			if len(data) == 0 {
				data = make([]byte, 1) // the wrapper needs a byte even for no elements
			}
			var v *ort.CustomDataTensor
			if v, err = ort.NewCustomDataTensor(t.Shape, data, b.elem); err == nil {
				out[i] = v
			}
		case b.scalar == nil:
			err = fmt.Errorf("a scalar of %s is not supported", t.Type)
		default:
			out[i], err = b.scalar(t.Data)
		}
		if err != nil {
			return out, errors.New(oneLine(err))
		}
	}
	return out, nil
}
