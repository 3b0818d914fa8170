// Package management is the API that manages models, compatible with TorchServe. As a handler it
// is the REST API:
//
//	GET    /models                                   list
//	POST   /models                                   register
//	GET    /models/{model}[/{version}|/all]          describe
//	PUT    /models/{model}[/{version}]               scale; also batch size and delay
//	DELETE /models/{model}[/{version}]               unregister
//	PUT    /models/{model}/{version}/set-default     set the default version
//	GET    /v1/models/{model}                        readiness, as in KServe
//	/api-description, OPTIONS                        descriptions in OpenAPI
//
// The methods [API.Register], [API.Scale] and the others are the same operations for other
// protocols. Models are opened by an [Opener]. Requests may register and unregister models only if the
// [Config] allows it. An [API] is safe for concurrent use. What a request starts and does not
// wait for runs in goroutines that [API.Close] waits for.
package management

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/openapi"
	"sweetspot/engine/api/wire"
)

// TorchServe's defaults.
const (
	DefaultStartupTime    = 120 * time.Second
	DefaultUnregisterTime = 120 * time.Second
)

// Config says what the API may do.
type Config struct {
	// ModelAPI allows requests to register and unregister models; without it they get 405.
	ModelAPI bool
	Opener   Opener // nil: no model can be registered
	// InitialWorkers is the number of workers of a registration that names none.
	InitialWorkers int
	StartupTime    time.Duration // longest start of the workers of a registration; 0 is the default
	UnregisterTime time.Duration // longest wait for the requests of a version; 0 is the default
	// RSS returns the resident memory of a process in bytes, of this one if the ID is 0; nil or
	// 0 is unknown.
	RSS func(pid int) int64
	Log *slog.Logger // nil discards
}

// API answers the management routes.
type API struct {
	engine *engine.Engine
	cfg    Config

	ctx        context.Context // of what runs in the background; ends with Close
	cancel     context.CancelFunc
	background sync.WaitGroup

	mu         sync.Mutex // guards what follows
	registered map[*engine.ModelService]registered
	closed     bool
}

// registered is what is known about a version that a request has registered.
type registered struct {
	startupTime            time.Duration
	minWorkers, maxWorkers int    // of the model's own files; 0 is none
	release                func() // of Opened; may be nil
}

// New returns the management API of e. The caller must call Close.
func New(e *engine.Engine, c Config) *API {
	if c.StartupTime == 0 {
		c.StartupTime = DefaultStartupTime
	}
	if c.UnregisterTime == 0 {
		c.UnregisterTime = DefaultUnregisterTime
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{engine: e, cfg: c, registered: map[*engine.ModelService]registered{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// Close cancels the changes that run in the background and waits for their end.
func (a *API) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.background.Wait()
}

// start runs f in the background, unless the API is closed. The channel is closed when f has
// ended.
func (a *API) start(f func(context.Context)) <-chan struct{} {
	done := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		close(done)
		return done
	}
	a.background.Go(func() {
		defer close(done)
		f(a.ctx)
	})
	return done
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := a.route(w, r, wire.Segments(r.URL.Path)); err != nil {
		wire.Fail(w, err)
	}
}

// route answers a request, or returns an error and has written no more than headers.
func (a *API) route(w http.ResponseWriter, r *http.Request, s []string) error {
	switch n := len(s); {
	case n == 0:
		return describeAPI(w, r)
	case n == 1 && s[0] == "api-description":
		wire.JSON(w, http.StatusOK, openapi.Management())
		return nil
	case n == 3 && s[0] == "v1" && s[1] == "models" && s[2] != "":
		return wire.ModelReady(w, r, s[2], a.canAnswer)
	case s[0] != "models":
	case n == 1:
		return a.models(w, r)
	case n == 2 && s[1] != "":
		return a.model(w, r, s[1], "")
	case n == 3 && s[2] != "":
		return a.model(w, r, s[1], s[2])
	case n == 4 && s[1] != "" && s[2] != "" && s[3] == "set-default":
		if r.Method != http.MethodPut {
			return wire.NotAllowed(w, r, http.MethodPut)
		}
		return send(w)(a.SetDefault(s[1], s[2]))
	}
	return wire.NoRoute(r)
}

// describeAPI answers OPTIONS /.
func describeAPI(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodOptions {
		return wire.NotAllowed(w, r, http.MethodOptions)
	}
	wire.JSON(w, http.StatusOK, openapi.Management())
	return nil
}

func (a *API) canAnswer(name string) (ready, found bool) {
	s, err := a.engine.Find(name, "")
	return err == nil && s.CanAnswer(), err == nil
}

// models answers /models.
func (a *API) models(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p, err := queryOf(r)
		if err != nil {
			return err
		}
		return send(w)(a.List(p))
	case http.MethodPost:
		if err := a.modelAPI("register"); err != nil {
			return err
		}
		p, err := paramsOf(w, r)
		if err != nil {
			return err
		}
		return send(w)(a.Register(r.Context(), p))
	}
	return wire.NotAllowed(w, r, http.MethodGet, http.MethodPost)
}

// model answers /models/{model}[/{version}]; version is "" if the path has none.
func (a *API) model(w http.ResponseWriter, r *http.Request, name, version string) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut:
		p, err := queryOf(r)
		switch {
		case err != nil:
			return err
		case r.Method == http.MethodPut:
			return send(w)(a.Scale(r.Context(), name, version, p))
		}
		return send(w)(a.Describe(name, version, p))
	case http.MethodDelete:
		return send(w)(a.Unregister(r.Context(), name, version))
	case http.MethodOptions:
		if _, err := a.find(name, version); err != nil {
			return err
		}
		wire.JSON(w, http.StatusOK, openapi.Manage())
		return nil
	}
	return wire.NotAllowed(w, r, http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions)
}

// Answer is what an operation answers.
type Answer struct {
	Code int // as in HTTP, 200 to 299
	Body any // its JSON is the body; a wire.Status only says what has happened
}

// status returns an answer that says what has happened.
func status(code int, format string, a ...any) Answer {
	return Answer{code, wire.Status{Status: fmt.Sprintf(format, a...)}}
}

// send returns a function that sends an answer, or returns its error.
func send(w http.ResponseWriter) func(Answer, error) error {
	return func(a Answer, err error) error {
		if err == nil {
			wire.JSON(w, a.Code, a.Body)
		}
		return err
	}
}

// modelAPI returns an error if requests may not register and unregister models.
func (a *API) modelAPI(verb string) error {
	if a.cfg.ModelAPI {
		return nil
	}
	return wire.Errorf(http.StatusMethodNotAllowed, wire.MethodNotAllowed,
		"this server does not let requests %s models; start it with --enable-model-api", verb)
}

// find returns a version; "" is the default one.
func (a *API) find(name, version string) (*engine.ModelService, error) {
	s, err := a.engine.Find(name, version)
	if err == nil {
		return s, nil
	}
	if a.engine.Default(name) == "" {
		return nil, wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "Model not found: %s", name)
	}
	return nil, wire.Errorf(http.StatusNotFound, wire.VersionNotFound, "Model version: %s does not exist for model: %s", version, name)
}

// SetDefault answers PUT /models/{model}/{version}/set-default.
func (a *API) SetDefault(name, version string) (Answer, error) {
	if _, err := a.find(name, version); err != nil {
		return Answer{}, err
	}
	if err := a.engine.SetDefault(name, version); err != nil {
		_, err = a.find(name, version)
		return Answer{}, err
	}
	return status(http.StatusOK, "Default version successfully updated for model %q to %q", name, version), nil
}
