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
	Images ImageOptions // how images become inputs

	in, out []tensor.Spec
}

// NewTensors returns an initialized handler for these inputs and outputs.
func NewTensors(in, out []tensor.Spec) Tensors { return Tensors{in: in, out: out} }

// Initialize sets the inputs and outputs. It returns an error if the image options do not fit
// the inputs.
func (h *Tensors) Initialize(_ context.Context, in, out []tensor.Spec) error {
	h.in, h.out = in, out
	return h.Images.Check(in)
}

// Negotiate chooses JSON or bytes.
func (h *Tensors) Negotiate(accept string) (payload.Format, error) {
	f, err := Negotiate(accept, h.out)
	return payload.Format(f), err
}

// DecodedSize returns the decoded size of one item.
func (h *Tensors) DecodedSize(b payload.Body) int64 { return h.decoder().decodedSize(b.Type, b.Data) }

// Decode decodes one item.
func (h *Tensors) Decode(r *payload.Request, b payload.Body) error {
	item, err := h.decoder().decode(b.Type, b.Data)
	if err == nil {
		r.Items = append(r.Items, item)
	}
	return err
}

func (h *Tensors) decoder() decoder { return decoder{h.in, h.Images} }

// Encode encodes the outputs of one row, or those of several rows as a JSON array.
func (h *Tensors) Encode(dst []byte, f payload.Format, a payload.Answer) (payload.Body, error) {
	if len(a.Items) == 1 {
		return Encode(dst, Format(f), h.out, a.Items[0])
	}
	if Format(f) != JSON {
		return payload.Body{Data: dst}, fmt.Errorf("%d rows can only be answered as %s", len(a.Items), TypeJSON)
	}
	for i, item := range a.Items {
		dst = append(dst, "[,"[min(i, 1)])
		b, err := Encode(dst, JSON, h.out, item)
		if dst = b.Data; err != nil {
			return b, err
		}
		dst = dst[:len(dst)-1] // the line feed
	}
	return payload.Body{Type: TypeJSON, Data: append(dst, "]\n"...)}, nil
}
