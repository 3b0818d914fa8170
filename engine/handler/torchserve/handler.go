// Package torchserve has TorchServe's default handlers for models of tensors: image_classifier,
// image_segmenter, object_detector, text_classifier and base_handler, and two more, detection_list
// and keypoint_list, with the answers that the client of Animated Drawings reads. They take the
// same bodies and give the same answers as the handlers in Python; docs/handlers.md says where they differ.
//
// A handler is in four steps. Initialize, Preprocess and Postprocess are the methods of [Steps]; inference
// is what engine.Session runs between them, in batches with the rows of other requests. [New] makes an
// engine.Handler from Steps: it finds the input of a request in its form, body or [Envelope], and writes the answer. [Named]
// returns the steps of a name. The steps are pure functions and safe for concurrent use after Initialize.
//
// A caller that prefers bytes (Accept: application/octet-stream) gets the outputs of the model without
// postprocessing.
package torchserve

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Steps are what one handler does before and after the inference of a row.
type Steps interface {
	// Initialize is called before the model serves, with the inputs and outputs of one item. Without outputs
	// only Preprocess is used. An error says why the handler does not fit the model.
	Initialize(in, out []tensor.Spec) error
	// Preprocess converts the input of a row to the tensors of the model, one for each input. The row
	// may share the memory of in. state is what Postprocess gets of it. An error is the caller's fault.
	Preprocess(in Input) (row tensor.Item, state any, err error)
	// PreprocessedSize estimates the memory in bytes that Preprocess allocates, rather too much than too little.
	PreprocessedSize(in Input) int64
	// Postprocess appends the answer for the outputs of a row to dst, as one JSON value.
	Postprocess(dst []byte, out tensor.Item, state any) ([]byte, error)
	// Describe says in a few words what the handler takes and answers.
	Describe() string
}

// Input is the input of a row: what a handler in Python finds in the part data or body of a request.
type Input struct {
	Data []byte
	// JSON means that Data is a JSON value: the type of the part or of the body says so, or an envelope has it.
	JSON bool
}

// Handler is the engine.Handler of Steps. It is safe for concurrent use after Initialize.
type Handler struct {
	steps     Steps
	config    Config
	raw       handler.Tensors // encodes outputs without postprocessing
	instances *Handler        // this handler behind the envelope of KServe v1
}

// Config is what a Handler knows beside its steps.
type Config struct {
	Envelope       Envelope
	Model, Version string // for answers in the envelope KServeV2
}

// New returns the handler with these steps.
func New(s Steps, c Config) *Handler {
	h := &Handler{steps: s, config: c}
	h.instances = h
	if c.Envelope != KServe {
		c.Envelope = KServe
		h.instances = New(s, c)
	}
	return h
}

// Steps returns the steps.
func (h *Handler) Steps() Steps { return h.steps }

// Images describes how pictures become the input; "" if the handler takes none.
func (h *Handler) Images() string {
	p, ok := h.steps.(interface{ input() handler.ImageInput })
	if !ok {
		return ""
	}
	return p.input().String()
}

// Instances returns the handler for the JSON of KServe v1. It implements engine.InstanceReader.
func (h *Handler) Instances() engine.Handler { return h.instances }

// ReadsOpenInference reports whether the envelope is that of the Open Inference Protocol, so that
// this handler and not the model's tensors answers it.
func (h *Handler) ReadsOpenInference() bool { return h.config.Envelope == KServeV2 }

// Initialize implements engine.Handler.
func (h *Handler) Initialize(ctx context.Context, in, out []tensor.Spec) error {
	if len(in) == 0 || len(out) == 0 {
		return errors.New("the handler is for a model of tensors, and this one takes or returns bytes")
	}
	h.raw = handler.NewTensors(in, out)
	h.instances.raw = h.raw
	return h.steps.Initialize(in, out)
}

// Negotiate implements engine.Handler: JSON, or the outputs of the model as bytes.
func (h *Handler) Negotiate(accept string) (payload.Format, error) { return h.raw.Negotiate(accept) }

// DecodedSize implements engine.Handler.
func (h *Handler) DecodedSize(b payload.Body) int64 {
	inputs, err := h.config.Envelope.open(b)
	if err != nil {
		return 0
	}
	n := h.config.Envelope.size(b)
	for _, in := range inputs {
		n += h.steps.PreprocessedSize(in.Input)
	}
	return n
}

// Inputs returns the inputs of a request, one for each row.
func (h *Handler) Inputs(b payload.Body) ([]Input, error) {
	inputs, err := h.config.Envelope.open(b)
	out := make([]Input, len(inputs))
	for i, in := range inputs {
		out[i] = in.Input
	}
	return out, err
}

// rowState is what Encode needs of a row.
type rowState struct {
	name  string // of an input of Open Inference Protocol
	state any
}

// requestState is what Encode needs of a request.
type requestState struct {
	id   string // of Open Inference Protocol
	rows []rowState
}

// Decode implements engine.Handler: it makes a row for each input of the request.
func (h *Handler) Decode(r *payload.Request, b payload.Body) error {
	inputs, err := h.config.Envelope.open(b)
	if err != nil {
		return err
	}
	state := &requestState{rows: make([]rowState, 0, len(inputs))}
	for i, in := range inputs {
		item, s, err := h.steps.Preprocess(in.Input)
		if err != nil && len(inputs) > 1 {
			return fmt.Errorf("instance %d: %w", i, err)
		} else if err != nil {
			return err
		}
		r.Items = append(r.Items, item)
		state.rows = append(state.rows, rowState{in.name, s})
		state.id = in.id
	}
	r.State = state
	return nil
}

// Encode implements engine.Handler.
func (h *Handler) Encode(dst []byte, f payload.Format, a payload.Answer) (payload.Body, error) {
	if handler.Format(f) != handler.JSON {
		return h.raw.Encode(dst, f, a)
	}
	state, ok := a.State.(*requestState)
	if !ok || len(state.rows) != len(a.Items) {
		return payload.Body{Data: dst}, errors.New("the answer is not for a request that this handler has decoded")
	}
	dst, err := h.config.Envelope.close(dst, h, state, a.Items)
	return payload.Body{Type: handler.TypeJSON, Data: append(dst, '\n')}, err
}
