// Package inference is the REST API for predictions, compatible with TorchServe:
//
//	/ping                                  health
//	/ready                                 whether all models can answer; needs no key
//	/predictions/{model}[/{version}[/...]] predict; the rest of the path is for the handler
//	/explanations/{model}[/{version}]      explain
//	/v1/models/{model}:predict, :explain   the same with the JSON of KServe v1
//	/v1/models[/{model}]                   names of models; whether a model can answer
//	/invocations, /models/{model}/invoke   the routes of SageMaker
//	/{model}[/{version}]/predict           the oldest route
//	/api-description, OPTIONS              descriptions in OpenAPI
//
// Every HTTP method predicts. A [Handler] reads the body and calls package predict; it is
// safe for concurrent use, has no state but its buffers, and starts no goroutine. When a
// client disconnects, its request leaves the queue. The Server-Timing header of an answer
// splits the time of the request, so that load generators know the model latency.
package inference

import (
	"errors"
	"net/http"
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
	// Response is the largest answer in bytes, of a streamed one the largest piece; 0 is no limit.
	Response int64
}

// CheckAnswer returns an error for an answer that is too large. It is the server's fault: the
// same request would fail again.
func (l Limits) CheckAnswer(size int) error {
	if l.Response == 0 || int64(size) <= l.Response {
		return nil
	}
	return wire.Errorf(http.StatusInternalServerError, wire.InternalServer, "the answer has %d bytes, above max_response_size, %d", size, l.Response)
}

// Of returns the limits for requests to a model.
func (l Limits) Of(p *predict.Prediction) wire.Limits {
	if l.Raised {
		l.Size = max(l.Size, p.BodySize())
	}
	l.Encoded = p.ReadsHeader()
	return l.Limits
}

// buffers are the memory of one request. They return to the pool only if the request was
// not abandoned, because a worker may still read its body.
type buffers struct {
	predict.Prediction
	memory     wire.Reservation // memory of the request
	body, text []byte
	values     [4]string // of headers
	id         string    // of the request, if its handler reads it; else ""
}

// New returns a handler for the models of e with the limits l for request bodies.
func New(e *engine.Engine, l Limits) *Handler {
	return &Handler{engine: e, predictor: predict.New(e), limits: l, pool: sync.Pool{New: func() any { return new(buffers) }}}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, ok := predictionsTarget(r.URL.Path) // nearly all requests
	if !ok {
		var err error
		if t, err = h.route(w, r); err != nil {
			wire.Fail(w, err)
			return
		}
		if t.model == "" {
			return // answered
		}
	}
	if err := h.predict(w, r, t); err != nil {
		wire.Fail(w, err)
	}
}

// Predict answers a prediction with the body of r as the handler of the model reads it, on a
// route of another package for a protocol of KServe. If it returns an error, it has written
// nothing.
func (h *Handler) Predict(w http.ResponseWriter, r *http.Request, model, version string) error {
	return h.predict(w, r, target{model: model, version: version, kserve: true})
}

// predict answers a prediction. If it returns an error, it has written nothing.
func (h *Handler) predict(w http.ResponseWriter, r *http.Request, t target) error {
	b := h.pool.Get().(*buffers)
	b.memory = h.limits.Budget.NewReservation()
	reusable, err := h.predictWith(b, w, r, t)
	b.memory.Release()
	if reusable {
		h.pool.Put(b)
	}
	return t.httpError(err)
}

// predictWith is predict with the memory b, which must not be used again unless it is
// reusable.
func (h *Handler) predictWith(b *buffers, w http.ResponseWriter, r *http.Request, t target) (reusable bool, err error) {
	if err := h.predictor.Begin(&b.Prediction, t.model, t.version, t.accept(r)); err != nil {
		return true, err
	}
	if t.instances {
		b.TakeInstances()
	}
	switch {
	case r.Method == http.MethodOptions:
		describe(w, b.Model())
		return true, nil
	case t.explain:
		if err := b.PrepareExplanation(r.URL.RawQuery); err != nil {
			return true, err
		}
	}
	if b.body, err = wire.ReadBody(w, r, b.body[:0], h.limits.Of(&b.Prediction), &b.memory); err != nil {
		return true, err
	}
	body := payload.Body{Type: r.Header.Get("Content-Type"), Data: b.body}
	b.id = ""
	if b.ReadsHeader() {
		b.id = string(wire.AppendID(nil))
		body.Header, body.Query, body.ID = t.header(r), t.query(r), b.id
	}
	run := b.Run
	if t.explain && !b.ReadsHeader() {
		run = b.Explain
	}
	reply, reusable, err := run(r.Context(), body, predict.Options{Memory: &b.memory, Streamed: true})
	switch {
	case err != nil:
	case reply.Stream != nil:
		stream(r.Context(), w, reply, b.id, h.limits)
	default:
		if err = h.limits.CheckAnswer(len(reply.Body)); err == nil {
			b.send(w, reply)
		}
	}
	return reusable, err
}

// HTTPError converts the error of a prediction. A request that may succeed later gets 503
// with Retry-After; a failed execution gets 500.
func HTTPError(err error) error {
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
	case predict.Unsupported:
		return wire.Errorf(http.StatusNotImplemented, wire.NotImplemented, "%s", e.Message)
	case predict.Busy, predict.Unavailable, predict.Expired, predict.Cancelled:
		unavailable := wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, "%s", e.Message)
		unavailable.RetryAfter = 1
		return unavailable
	}
	status := http.StatusInternalServerError
	if e.Status != 0 {
		status = e.Status
	}
	return wire.Errorf(status, wire.InternalServer, "%s", e.Message)
}
