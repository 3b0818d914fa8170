package engine

import (
	"context"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// HeaderReader is a Handler that passes the headers and the query of a request on. Without
// it, a transport does not collect them.
type HeaderReader interface {
	ReadsHeader()
}

// PartsReader is a Handler that reads the Parts of a body. Others get them as a form.
type PartsReader interface {
	ReadsParts()
}

// OpenInferenceReader is a Handler of a model of tensors that may read and write the bodies of the
// Open Inference Protocol itself, as TorchServe's envelope kservev2 does. Without it, or if it
// does not, the protocol has the tensors of the model, and its handler is not used.
type OpenInferenceReader interface {
	ReadsOpenInference() bool
}

// InstanceReader is a Handler with a form that reads the JSON of KServe v1, {"instances": [...]}, and
// answers {"predictions": [...]}.
type InstanceReader interface {
	Instances() Handler
}

// Handler converts between bodies and the requests and answers of one model. Initialize,
// Decode and Encode are initialize, preprocess and postprocess of TorchServe's handlers.
// After Initialize it is safe for concurrent use.
type Handler interface {
	// Initialize is called once, before the model serves, with its inputs and outputs;
	// both are empty for a model whose requests and answers are bytes.
	Initialize(ctx context.Context, in, out []tensor.Spec) error
	// Negotiate chooses the format of the answer for an Accept header. An error means
	// that the handler has none that the caller accepts.
	Negotiate(accept string) (payload.Format, error)
	// DecodedSize estimates, without decoding it, the memory in bytes that a body takes
	// during and after decoding, not counting the body itself. It estimates too much
	// rather than too little.
	DecodedSize(b payload.Body) int64
	// Decode converts a body to a request, which may share the body's memory. An error
	// is the caller's fault; it says what is wrong and what to send instead.
	Decode(r *payload.Request, b payload.Body) error
	// Encode appends the body of an answer to dst. The result has both as its Data, the
	// media type, and the headers of the answer.
	Encode(dst []byte, f payload.Format, a payload.Answer) (payload.Body, error)
}
