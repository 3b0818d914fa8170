// Package inference is the REST API for predictions, compatible with TorchServe:
//
//	/ping                          health
//	/predictions/{model}           predict
//	/predictions/{model}/{version} predict on that version
//
// Every HTTP method predicts. A [Handler] reads the body and calls package predict; it is
// safe for concurrent use, has no state but its buffers, and starts no goroutine. When a
// client disconnects, its request leaves the queue. The Server-Timing header of an answer
// splits the time of the request, so that load generators know the model latency.
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
	engine    *engine.Engine
	predictor *predict.Predictor
	limits    Limits
	pool      sync.Pool // of *buffers
}

// Limits bound the bodies of requests.
type Limits struct {
	wire.Limits
	// Raised means that the Size is raised for a model whose inputs have more bytes.
	Raised bool
}

// of returns the limits for requests to a model.
func (l Limits) of(p *predict.Prediction) wire.Limits {
	if l.Raised {
		l.Size = max(l.Size, p.BodySize())
	}
	return l.Limits
}

// buffers are the memory of one request. They return to the pool only if the request was
// not abandoned, because a worker may still read its body.
type buffers struct {
	predict.Prediction
	memory     wire.Reservation // memory of the request
	body, text []byte
	values     [4]string // of headers
}

// New returns a handler for the models of e with the limits l for request bodies.
func New(e *engine.Engine, l Limits) *Handler {
	return &Handler{engine: e, predictor: predict.New(e), limits: l, pool: sync.Pool{New: func() any { return new(buffers) }}}
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

// ping answers Healthy if the default version of every model is healthy.
func (h *Handler) ping(w http.ResponseWriter) {
	type status struct {
		Status string `json:"status"`
	}
	for _, s := range h.engine.Services() {
		if m := s.Model(); m.Version == h.engine.Default(m.Name) && !s.Healthy() {
			wire.JSON(w, http.StatusInternalServerError, status{"Unhealthy"})
			return
		}
	}
	wire.JSON(w, http.StatusOK, status{"Healthy"})
}

// predict answers a prediction. If it returns an error, it has written nothing.
func (h *Handler) predict(w http.ResponseWriter, r *http.Request, name, version string) error {
	b := h.pool.Get().(*buffers)
	b.memory = h.limits.Budget.NewReservation()
	reusable, err := h.predictWith(b, w, r, name, version)
	b.memory.Release()
	if reusable {
		h.pool.Put(b)
	}
	return httpError(err)
}

// predictWith is predict with the memory b, which must not be used again unless it is
// reusable.
func (h *Handler) predictWith(b *buffers, w http.ResponseWriter, r *http.Request, name, version string) (reusable bool, err error) {
	if err := h.predictor.Begin(&b.Prediction, name, version, r.Header.Get("Accept")); err != nil {
		return true, err
	}
	if b.body, err = wire.ReadBody(w, r, b.body[:0], h.limits.of(&b.Prediction), &b.memory); err != nil {
		return true, err
	}
	body := payload.Body{Type: r.Header.Get("Content-Type"), Data: b.body}
	reply, reusable, err := b.Run(r.Context(), body, predict.Options{Memory: &b.memory, Streamed: true})
	switch {
	case err != nil:
	case reply.Stream != nil:
		stream(r.Context(), w, reply)
	default:
		b.send(w, reply)
	}
	return reusable, err
}

// httpError converts the error of a prediction. A request that may succeed later gets 503
// with Retry-After; a failed execution gets 500.
func httpError(err error) error {
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
	case predict.Busy, predict.Unavailable, predict.Expired, predict.Cancelled:
		unavailable := wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, "%s", e.Message)
		unavailable.RetryAfter = 1
		return unavailable
	}
	return wire.Errorf(http.StatusInternalServerError, wire.InternalServer, "%s", e.Message)
}
