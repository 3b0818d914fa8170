// Package inference is the REST listener that answers predictions, in
// TorchServe's manner:
//
//	/ping                          health
//	/predictions/{model}           predict
//	/predictions/{model}/{version} predict on that version
//
// Every method predicts. A [Handler] decodes the body, submits the item to the
// engine and encodes the answer; it is safe for concurrent use, keeps no state
// but its buffers, and starts no goroutine. A client that goes away takes its
// request out of the queue. Answers carry a Server-Timing header with where the
// request's time went, from which load generators learn the model latency.
package inference

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/handler"
)

// Handler answers the inference routes.
type Handler struct {
	engine *engine.Engine
	limits wire.Limits
	pool   sync.Pool // of *buffers
}

// buffers are one request's memory. They go back to the pool only after an
// answer: a worker may still read the body of a request that was given up.
type buffers struct {
	body, answer, text []byte
	values             [4]string // of headers
}

// New returns the handler of e's models, for request bodies within l.
func New(e *engine.Engine, l wire.Limits) *Handler {
	return &Handler{engine: e, limits: l, pool: sync.Pool{New: func() any { return new(buffers) }}}
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

// ping answers Healthy when every model has a worker.
func (h *Handler) ping(w http.ResponseWriter) {
	type status struct {
		Status string `json:"status"`
	}
	for _, s := range h.engine.Served() {
		if s.Stats().Workers == 0 {
			wire.JSON(w, http.StatusInternalServerError, status{"Unhealthy"})
			return
		}
	}
	wire.JSON(w, http.StatusOK, status{"Healthy"})
}

// predict answers a prediction, or returns why there is none, with nothing
// written yet.
func (h *Handler) predict(w http.ResponseWriter, r *http.Request, name, version string) error {
	s, err := h.find(name, version)
	if err != nil {
		return err
	}
	m := s.Model()
	format, err := handler.Negotiate(r.Header.Get("Accept"), m.Outputs)
	if err != nil {
		return wire.Errorf(http.StatusNotAcceptable, wire.NotAcceptable, "%v", err)
	}
	claim := h.limits.Budget.Claim()
	defer claim.Release()
	b := h.pool.Get().(*buffers)
	if b.body, err = wire.ReadBody(w, r, b.body[:0], h.limits, &claim); err != nil {
		h.pool.Put(b)
		return err
	}
	var t timing
	start := time.Now()
	item, err := decode(&claim, r.Header.Get("Content-Type"), b.body, m.Inputs)
	if err != nil {
		h.pool.Put(b)
		return err
	}
	t.decode = time.Since(start)
	outputs, engineTiming, err := s.Submit(r.Context(), item)
	if err != nil {
		return refusal(name, err)
	}
	t.Timing = engineTiming
	start = time.Now()
	var media string
	b.answer, media, err = handler.Encode(b.answer[:0], format, m.Outputs, outputs)
	t.encode = time.Since(start)
	s.Observe(t.decode, t.encode)
	if err == nil {
		b.send(w, media, t)
	}
	h.pool.Put(b)
	return err
}

// find returns the served model, if it has the version; "" is any.
func (h *Handler) find(name, version string) (*engine.Served, error) {
	s, err := h.engine.Find(name)
	if err != nil {
		var names []string
		for _, s := range h.engine.Served() {
			names = append(names, s.Model().Name)
		}
		if len(names) == 0 {
			names = []string{"nothing"}
		}
		return nil, wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "Model not found: %s; served here: %s", name, strings.Join(names, ", "))
	}
	if have := s.Model().Version; version != "" && version != have {
		return nil, wire.Errorf(http.StatusNotFound, wire.VersionNotFound,
			"Model version: %s does not exist for model: %s; its version is %s", version, name, have)
	}
	return s, nil
}

// refusal says why the engine has no answer. What is no fault of the request is
// 503 with when to come again; a failed execution is 500.
func refusal(name string, err error) error {
	unavailable := func(format string, a ...any) error {
		e := wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, format, a...)
		e.RetryAfter = 1
		return e
	}
	switch {
	case errors.Is(err, engine.ErrQueueFull):
		return unavailable("Model %q: %v; retry later, or raise queue_size or workers", name, err)
	case errors.Is(err, engine.ErrClosed):
		return unavailable("Model %q is shutting down", name)
	case errors.Is(err, engine.ErrExpired):
		return unavailable("Model %q: the request expired in the queue", name)
	case errors.Is(err, context.Canceled):
		return unavailable("Model %q: the request was given up", name)
	}
	return wire.Errorf(http.StatusInternalServerError, wire.InternalServer, "Prediction failed: %v", err)
}
