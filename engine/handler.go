package engine

import (
	"context"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Handler is the part of a model that knows bodies: what TorchServe's handlers call
// initialize, preprocess and postprocess. It belongs to one model, and is safe for
// concurrent use once it is initialized.
type Handler interface {
	// Initialize readies the handler, before the model serves, for its inputs and
	// outputs; both are empty for a model that takes and gives bytes.
	Initialize(ctx context.Context, in, out []tensor.Spec) error
	// Negotiate says in what form a caller with this Accept header is answered, or
	// why there is none.
	Negotiate(accept string) (payload.Format, error)
	// DecodedSize tells, without decoding it, how many bytes a body takes while and
	// after it is decoded, beside its own; about, and rather too many than too few.
	DecodedSize(b payload.Body) int64
	// Decode makes a request of a body. The request may share memory with it. An
	// error is the caller's fault, and names what is wrong and what to send instead.
	Decode(r *payload.Request, b payload.Body) error
	// Encode appends the body of an answer to dst and returns it with its media type.
	Encode(dst []byte, f payload.Format, a payload.Answer) (body []byte, media string, err error)
}
