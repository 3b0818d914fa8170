package predict

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/engine"
)

// Kind is why there is no answer. Each protocol has a code of its own for it.
type Kind uint8

// The kinds.
const (
	Failed         Kind = iota // the model did not run: a fault of ours or of the model
	BadInput                   // the body is not what the model takes
	TooManyRows                // more rows than the queue is long
	UnknownModel               // no model of that name
	UnknownVersion             // no such version of the model
	NotAcceptable              // no form of the answer that the caller accepts
	Busy                       // the queue is full; come again later
	Unavailable                // the model is loading, ending, or has no workers
	Expired                    // its time was up before it ran
	GivenUp                    // its caller left
)

// Error is a prediction without an answer. Message is for people.
type Error struct {
	Kind    Kind
	Message string
	err     error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the engine's error.
func (e *Error) Unwrap() error { return e.err }

func errorf(k Kind, format string, a ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, a...)}
}

// refusal says why the engine has no answer.
func refusal(model string, err error) error {
	say := func(k Kind, format string, a ...any) error {
		e := errorf(k, format, a...)
		e.err = err
		return e
	}
	switch {
	case errors.Is(err, engine.ErrQueueFull):
		return say(Busy, "Model %q: %v; retry later, or raise queue_size or workers", model, err)
	case errors.Is(err, engine.ErrTooManyRows):
		return say(TooManyRows, "Model %q: %v", model, err)
	case errors.Is(err, engine.ErrClosed):
		return say(Unavailable, "Model %q is shutting down", model)
	case errors.Is(err, engine.ErrNoWorkers), errors.Is(err, engine.ErrNotReady):
		return say(Unavailable, "Model %q: %v", model, err)
	case errors.Is(err, engine.ErrExpired):
		return say(Expired, "Model %q: the request expired in the queue", model)
	case errors.Is(err, context.Canceled):
		return say(GivenUp, "Model %q: the request was given up", model)
	}
	return say(Failed, "Prediction failed: %v", err)
}
