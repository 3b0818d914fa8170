package predict

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/engine"
	"sweetspot/engine/payload"
)

// Kind is the kind of an error. Each protocol maps it to its own code.
type Kind uint8

// The kinds.
const (
	Failed         Kind = iota // the engine or the model failed
	BadInput                   // the body is not valid for the model
	TooManyRows                // more rows than the queue size
	UnknownModel               // no model of that name
	UnknownVersion             // no such version of the model
	NotAcceptable              // no format of the answer that the caller accepts
	Busy                       // the queue is full; retry later
	Unavailable                // the model is loading or shutting down, or has no workers
	Expired                    // its deadline passed before it ran
	Cancelled                  // its caller has left
	Unsupported                // the model cannot do it
)

// Error is the error of a prediction. Message is for people.
type Error struct {
	Kind    Kind
	Message string
	Status  int // as in HTTP, that the handler of the model chose; 0 is none
	err     error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the engine's error.
func (e *Error) Unwrap() error { return e.err }

func errorf(k Kind, format string, a ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, a...)}
}

// engineError converts an error of the engine.
func engineError(model string, err error) error {
	wrap := func(k Kind, format string, a ...any) error {
		e := errorf(k, format, a...)
		e.err = err
		return e
	}
	if s, ok := errors.AsType[*payload.StatusError](err); ok {
		return &Error{Kind: Failed, Message: s.Message, Status: s.Status, err: err}
	}
	switch {
	case errors.Is(err, engine.ErrQueueFull):
		return wrap(Busy, "Model %q: %v; retry later, or raise queue_size or workers", model, err)
	case errors.Is(err, engine.ErrTooManyRows):
		return wrap(TooManyRows, "Model %q: %v", model, err)
	case errors.Is(err, engine.ErrClosed):
		return wrap(Unavailable, "Model %q is shutting down", model)
	case errors.Is(err, engine.ErrNoWorkers), errors.Is(err, engine.ErrNotReady):
		return wrap(Unavailable, "Model %q: %v", model, err)
	case errors.Is(err, engine.ErrExpired):
		return wrap(Expired, "Model %q: the request expired in the queue", model)
	case errors.Is(err, context.Canceled):
		return wrap(Cancelled, "Model %q: the request was cancelled", model)
	}
	return wrap(Failed, "Prediction failed: %v", err)
}
