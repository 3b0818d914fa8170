// Package inference is the REST listener that answers predictions, in
// TorchServe's manner:
//
//	/ping                          health
//	/predictions/{model}           predict
//	/predictions/{model}/{version} predict on that version
//
// Every method predicts. A [Handler] reads the body and has package predict answer
// it; it is safe for concurrent use, keeps no state but its buffers, and starts no
// goroutine. A client that goes away takes its request out of the queue. Answers carry
// a Server-Timing header with where the request's time went, from which load
// generators learn the model latency.
package inference

import (
	"errors"
	"net/http"
	"strings"
	"sync"

	"sweetspot/engine"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/payload"
)

// Handler answers the inference routes.
type Handler struct {
	engine *engine.Engine
	models *predict.Service
	limits wire.Limits
	pool   sync.Pool // of *buffers
}

// buffers are one request's memory. They go back to the pool only after an
// answer: a worker may still read the body of a request that was given up.
type buffers struct {
	predict.Prediction
	claim      wire.Claim // of the bytes that the request takes
	body, text []byte
	values     [4]string // of headers
}

// New returns the handler of e's models, for request bodies within l.
func New(e *engine.Engine, l wire.Limits) *Handler {
	return &Handler{engine: e, models: predict.New(e), limits: l, pool: sync.Pool{New: func() any { return new(buffers) }}}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/")
	route, rest, _ := strings.Cut(path, "/")
	model, version, versioned := strings.Cut(rest, "/")
	switch {
	case path == "ping":
		h.ping(w)
	case route != "predictions" || model == "" || versioned && (version == "" || strings.Contains(version, "/")):
		wire.Fail(w, wire.NoRoute(r))
	default:
		if err := h.predict(w, r, model, version); err != nil {
			wire.Fail(w, err)
		}
	}
}

// ping answers Healthy when the default version of every model has its workers.
func (h *Handler) ping(w http.ResponseWriter) {
	type status struct {
		Status string `json:"status"`
	}
	for _, s := range h.engine.ModelService() {
		if m := s.Model(); m.Version == h.engine.Default(m.Name) && !s.Healthy() {
			wire.JSON(w, http.StatusInternalServerError, status{"Unhealthy"})
			return
		}
	}
	wire.JSON(w, http.StatusOK, status{"Healthy"})
}

// predict answers a prediction, or returns why there is none, with nothing
// written yet.
func (h *Handler) predict(w http.ResponseWriter, r *http.Request, name, version string) error {
	b := h.pool.Get().(*buffers)
	b.claim = h.limits.Budget.Claim()
	kept, err := h.predictWith(b, w, r, name, version)
	b.claim.Release()
	if kept {
		h.pool.Put(b)
	}
	return answerOf(err)
}

// predictWith is predict in the memory of b, which is not to be used again if it is
// not kept.
func (h *Handler) predictWith(b *buffers, w http.ResponseWriter, r *http.Request, name, version string) (kept bool, err error) {
	if err := h.models.Begin(&b.Prediction, name, version, r.Header.Get("Accept")); err != nil {
		return true, err
	}
	if b.body, err = wire.ReadBody(w, r, b.body[:0], h.limits, &b.claim); err != nil {
		return true, err
	}
	body := payload.Body{Type: r.Header.Get("Content-Type"), Data: b.body}
	reply, kept, err := b.Run(r.Context(), body, predict.Options{Memory: &b.claim, Streamed: true})
	switch {
	case err != nil:
	case reply.Stream != nil:
		stream(r.Context(), w, reply)
	default:
		b.send(w, reply)
	}
	return kept, err
}

// answerOf is the answer to a prediction that failed. What is no fault of the request
// is 503 with when to come again; a failed execution is 500.
func answerOf(err error) error {
	e, ok := errors.AsType[*predict.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case predict.BadInput:
		return wire.Errorf(http.StatusBadRequest, wire.BadRequest, "%s", e.Message)
	case predict.TooManyRows:
		return wire.Errorf(http.StatusRequestEntityTooLarge, wire.RequestTooLarge, "%s", e.Message)
	case predict.UnknownModel:
		return wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "%s", e.Message)
	case predict.UnknownVersion:
		return wire.Errorf(http.StatusNotFound, wire.VersionNotFound, "%s", e.Message)
	case predict.NotAcceptable:
		return wire.Errorf(http.StatusNotAcceptable, wire.NotAcceptable, "%s", e.Message)
	case predict.Busy, predict.Unavailable, predict.Expired, predict.GivenUp:
		unavailable := wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, "%s", e.Message)
		unavailable.RetryAfter = 1
		return unavailable
	}
	return wire.Errorf(http.StatusInternalServerError, wire.InternalServer, "%s", e.Message)
}
