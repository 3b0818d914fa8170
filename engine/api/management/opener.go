package management

import (
	"context"
	"errors"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

// Opener opens the models that requests register. It is safe for concurrent use.
type Opener interface {
	// Open opens the model of r. An error that wraps ErrNotFound says that there is no such
	// file, or that it is not allowed; any other one that the file is no model that can be
	// served. The messages are for the caller of the API.
	Open(ctx context.Context, r Registration) (Opened, error)
}

// ErrNotFound is wrapped by an Opener's error about a model that does not exist or that
// requests may not register.
var ErrNotFound = errors.New("model not found")

// NotFound returns err, with its text, as an ErrNotFound.
func NotFound(err error) error { return notFound{err} }

type notFound struct{ error }

// Is says that the error is ErrNotFound.
func (notFound) Is(target error) bool { return target == ErrNotFound }

// Unwrap returns the error itself.
func (e notFound) Unwrap() error { return e.error }

// Registration is what a request says about the model it registers.
type Registration struct {
	// URL is the parameter url: the name of a file or folder in the model store, or a URL.
	URL     string
	Name    string // "": the model's own
	Handler string // "": the model's own
	Runtime string // "": the model's own
}

// Opened is an opened model with what its own files and the configuration of the server say
// about serving it.
type Opened struct {
	Model *engine.Model
	// Config has the settings for what the request does not say. Its Workers do not count.
	Config knob.Config
	// MinWorkers and MaxWorkers are those of the model's own files. As in TorchServe, they
	// win over the request's if they are valid: 0 < MinWorkers <= MaxWorkers.
	MinWorkers, MaxWorkers int
	// ResponseTimeout and StartupTimeout are those of the model's own files; 0 is none.
	ResponseTimeout, StartupTimeout time.Duration
	// Release frees what Open has made outside the memory, such as unpacked files. It is
	// called once, when the version is no longer served. nil if there is nothing to free.
	Release func()
}
