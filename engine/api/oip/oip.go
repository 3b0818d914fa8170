// Package oip is the Open Inference Protocol, version 2, over HTTP:
//
//	/v2                                         description of the server
//	/v2/health/live, /v2/health/ready           whether it lives; whether all models can answer; need no key
//	/v2/models                                  names of the models
//	/v2/models/{model}[/versions/{v}]           description of a model
//	/v2/models/{model}[/versions/{v}]/ready     whether it can answer
//	/v2/models/{model}[/versions/{v}]/infer     predict
//	/v2/repository/index                        all versions with their states
//
// Package engine/oip has the protocol itself. A [Handler] reads the body, runs it with package
// predict and sends the answer; it is safe for concurrent use, has no state but its buffers, and
// starts no goroutine. A model that takes bytes instead of tensors gets the body of a request as
// it is, as in TorchServe. The Server-Timing header is that of package inference.
package oip

import (
	"net/http"
	"strings"
	"sync"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/wire"
	protocol "sweetspot/engine/oip"
)

// Paths.
const (
	Prefix    = "/v2" // of all paths
	LivePath  = Prefix + "/health/live"
	ReadyPath = Prefix + "/health/ready"
)

// Handler answers the routes.
type Handler struct {
	engine    *engine.Engine
	predictor *predict.Predictor
	bytes     *inference.Handler // for models that take bytes
	limits    inference.Limits
	about     protocol.ServerMetadata
	pool      sync.Pool // of *buffers
}

// New returns a handler for the models of e with the limits l for request bodies. bytes answers
// for models that take bytes; version is that of the program.
func New(e *engine.Engine, l inference.Limits, bytes *inference.Handler, version string) *Handler {
	return &Handler{
		engine: e, predictor: predict.New(e), bytes: bytes, limits: l,
		about: protocol.ServerMetadata{Name: "sweetspot", Version: version, Extensions: append(protocol.Extensions(), "model_repository(index)")},
		pool:  sync.Pool{New: func() any { return new(buffers) }},
	}
}

// Serves reports whether a path is one of this package.
func Serves(path string) bool {
	rest, ok := strings.CutPrefix(path, Prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.route(w, r); err != nil {
		wire.Fail(w, wire.ForKServe(err))
	}
}

// route answers a request, or returns an error before anything but headers is written.
func (h *Handler) route(w http.ResponseWriter, r *http.Request) error {
	t, ok := targetOf(r.URL.Path)
	if ok {
		return h.model(w, r, t)
	}
	s := wire.Segments(r.URL.Path)[1:]
	switch strings.Join(s, "/") {
	case "":
		return get(w, r, func() { wire.JSON(w, http.StatusOK, h.about) })
	case "health/live":
		return get(w, r, func() { wire.JSON(w, http.StatusOK, live{true}) })
	case "health/ready":
		return get(w, r, func() { h.ready(w) })
	case "models":
		return get(w, r, func() { wire.JSON(w, http.StatusOK, names{h.names()}) })
	case "repository/index":
		return h.index(w, r)
	}
	return wire.NoRoute(r)
}

// model answers a route of a model.
func (h *Handler) model(w http.ResponseWriter, r *http.Request, t target) error {
	switch t.verb {
	case "infer":
		if r.Method != http.MethodPost {
			return wire.NotAllowed(w, r, http.MethodPost)
		}
		return h.infer(w, r, t)
	case "ready":
		return h.modelReady(w, r, t)
	case "":
		return h.describe(w, r, t)
	}
	return wire.NoRoute(r)
}

// get answers a request of the method GET or HEAD.
func get(w http.ResponseWriter, r *http.Request, answer func()) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return wire.NotAllowed(w, r, http.MethodGet)
	}
	answer()
	return nil
}

// target is what a route of a model names.
type target struct {
	model, version string // the version is "" for the default one
	verb           string // after them: infer, ready or ""
}

// targetOf reads /v2/models/{model}[/versions/{version}][/{verb}].
func targetOf(path string) (t target, ok bool) {
	path, ok = strings.CutPrefix(path, Prefix+"/models/")
	if !ok {
		return t, false
	}
	path = strings.TrimRight(path, "/")
	t.model, path, _ = strings.Cut(path, "/")
	if rest, versioned := strings.CutPrefix(path, "versions/"); versioned {
		if t.version, path, _ = strings.Cut(rest, "/"); t.version == "" {
			return t, false
		}
	}
	t.verb = path
	return t, t.model != ""
}
