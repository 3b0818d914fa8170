package sweep

import (
	"context"
	"errors"
)

// noEvidence is an error that says nothing about the server.
type noEvidence struct{ error }

func (e noEvidence) Unwrap() error { return e.error }

// NoEvidence marks the error of a measurement that could not be made for a reason outside the server. The trial then has
// no verdict. Any other error fails the trial: the server died, failed, or did not take the settings.
func NoEvidence(err error) error { return noEvidence{err} }

// isNoEvidence reports whether an error says nothing about the server. That of an interrupted measurement does not.
func isNoEvidence(err error) bool {
	_, marked := errors.AsType[noEvidence](err)
	return marked || errors.Is(err, context.Canceled)
}
