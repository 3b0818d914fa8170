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
// outputs are those of like; the runtime may choose other shapes for texts.
func (r *Reference) Run(inputs, like []tensor.Tensor) ([]tensor.Tensor, error) {
	in, out := make([]ort.Value, len(inputs)), make([]ort.Value, len(like))
	defer func() { destroy(in); destroy(out) }()
	for i, t := range inputs {
		var err error
		if in[i], err = wholeValue(t); err != nil {
			return nil, err
		}
	}
	results := make([]tensor.Tensor, len(like))
	for i, t := range like {
		results[i] = tensor.Tensor{Type: t.Type, Shape: t.Shape, Data: make([]byte, len(t.Data))}
		if t.Type == tensor.String {
			continue // the runtime makes the value
		}
		var err error
		if out[i], err = wholeValue(results[i]); err != nil {
			return nil, err
		}
	}
	if err := r.run.Run(in, out); err != nil {
		return nil, errors.New(oneLine(err))
	}
	runtime.KeepAlive(inputs) // the runtime reads and writes this memory
	for i, v := range out {
		if err := readWhole(&results[i], v); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// readWhole reads the value of an output whose memory is not that of t.
func readWhole(t *tensor.Tensor, v ort.Value) (err error) {
	switch {
	case t.Type == tensor.String:
		t.Shape, t.Data, err = textOutput(&tensorPort{Spec: tensor.Spec{Type: t.Type}}, v)
	case len(t.Shape) == 0:
		t.Data, _ = bindings[t.Type].bytesOf(v)
	}
	return err
}

// Close frees the model.
func (r *Reference) Close() error { return r.run.Destroy() }

// wholeValue makes the runtime's value over the memory of t. The caller must destroy it.
func wholeValue(t tensor.Tensor) (v ort.Value, err error) {
	switch b := bindings[t.Type]; {
	case t.Type == tensor.String:
		var texts []string
		if texts, err = textsOf(t.Data); err == nil {
			v, err = newTexts(t.Shape, texts)
		}
	case len(t.Shape) > 0:
		data := t.Data
		if len(data) == 0 {
			data = make([]byte, 1) // the wrapper needs a byte even for no elements
		}
		var whole *ort.CustomDataTensor
		if whole, err = ort.NewCustomDataTensor(t.Shape, data, b.elem); err == nil { // else v would be a nil pointer in an interface
			v = whole
		}
	case b.scalar == nil:
		err = fmt.Errorf("a scalar of %s is not supported", t.Type)
	default:
		v, err = b.scalar(t.Data)
	}
	if err != nil {
		return nil, errors.New(oneLine(err))
	}
	return v, nil
}
