package handler

import (
	"context"
	"fmt"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Tensors is the handler of a model that takes and returns tensors: [Decode], [Negotiate]
// and [Encode] for its inputs and outputs.
type Tensors struct {
	in, out []tensor.Spec
}

// NewTensors returns an initialized handler for these inputs and outputs.
func NewTensors(in, out []tensor.Spec) Tensors { return Tensors{in, out} }

// Initialize sets the inputs and outputs.
func (h *Tensors) Initialize(_ context.Context, in, out []tensor.Spec) error {
	h.in, h.out = in, out
	return nil
}

// Negotiate chooses JSON, raw bytes or the JSON of the Open Inference Protocol.
func (h *Tensors) Negotiate(accept string) (payload.Format, error) {
	f, err := Negotiate(accept, h.out)
	return payload.Format(f), err
}

// DecodedSize returns the decoded size of one item.
func (h *Tensors) DecodedSize(b payload.Body) int64 { return DecodedSize(b.Type, b.Data, h.in) }

// Decode decodes one item.
func (h *Tensors) Decode(r *payload.Request, b payload.Body) error {
	item, err := Decode(b.Type, b.Data, h.in)
	if err == nil {
		r.Items = append(r.Items, item)
	}
	return err
}

// Encode encodes the outputs of one row, or those of several rows as a JSON array.
func (h *Tensors) Encode(dst []byte, f payload.Format, a payload.Answer) ([]byte, string, error) {
	if len(a.Items) == 1 {
		return Encode(dst, Format(f), h.out, a.Items[0])
	}
	if Format(f) != JSON {
		return dst, "", fmt.Errorf("%d rows can only be answered as %s", len(a.Items), TypeJSON)
	}
	for i, item := range a.Items {
		dst = append(dst, "[,"[min(i, 1)])
		var err error
		if dst, _, err = Encode(dst, JSON, h.out, item); err != nil {
			return dst, "", err
		}
		dst = dst[:len(dst)-1] // the line feed
	}
	return append(dst, "]\n"...), TypeJSON, nil
}
