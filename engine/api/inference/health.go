package inference

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/api/openapi"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/tensor"
)

// ping answers Healthy if the default version of every model is healthy.
func (h *Handler) ping(w http.ResponseWriter) {
	for _, s := range h.engine.Services() {
		if m := s.Model(); m.Version == h.engine.Default(m.Name) && !s.Healthy() {
			wire.JSON(w, http.StatusInternalServerError, wire.Status{Status: "Unhealthy"})
			return
		}
	}
	wire.JSON(w, http.StatusOK, wire.Status{Status: "Healthy"})
}

// ready answers whether every version can answer requests now. Unlike ping it counts a
// version without workers, and its failure is temporary.
func (h *Handler) ready(w http.ResponseWriter) {
	if err := Ready(h.engine.Services()); err != nil {
		w.Header().Set("Retry-After", "1")
		wire.JSON(w, http.StatusServiceUnavailable, wire.Status{Status: "Not ready: " + err.Error()})
		return
	}
	wire.JSON(w, http.StatusOK, wire.Status{Status: "Ready"})
}

// Ready returns an error if one of the services cannot answer requests now. It names no model,
// because a probe that asks for it has no key.
func Ready(all []*engine.ModelService) error {
	waiting := 0
	for _, s := range all {
		if !canAnswer(s) {
			waiting++
		}
	}
	if waiting > 0 {
		return fmt.Errorf("%d of %d versions have no worker", waiting, len(all))
	}
	return nil
}

// canAnswer reports whether s is ready and has a worker with a session.
func canAnswer(s *engine.ModelService) bool {
	return s.State() == engine.Ready && slices.ContainsFunc(s.Workers(), func(w engine.WorkerInfo) bool { return w.Ready })
}

// kserve answers /v1/models and /v1/models/{model}, or returns the target of a prediction.
func (h *Handler) kserve(w http.ResponseWriter, r *http.Request, rest []string) (target, error) {
	if len(rest) == 0 {
		if r.Method != http.MethodGet {
			return target{}, wire.NotAllowed(w, r, http.MethodGet)
		}
		wire.JSON(w, http.StatusOK, struct {
			Models []string `json:"models"`
		}{h.names()})
		return target{}, nil
	}
	name, verb, ok := strings.Cut(rest[0], ":")
	switch {
	case name == "":
	case !ok:
		return target{}, ServeModelReady(h.engine, w, r, name)
	case verb == "predict", verb == "explain":
		return target{model: name, kserve: true, explain: verb == "explain"}, nil
	}
	return target{}, wire.NoRoute(r)
}

// ServeModelReady answers GET /v1/models/{model}: 200 if the default version can answer now,
// else 503.
func ServeModelReady(e *engine.Engine, w http.ResponseWriter, r *http.Request, name string) error {
	if r.Method != http.MethodGet {
		return wire.NotAllowed(w, r, http.MethodGet)
	}
	s, err := e.Find(name, "")
	if err != nil {
		return forKServe(wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "Model not found: %s", name))
	}
	ready, status := canAnswer(s), http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	wire.JSON(w, status, struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}{name, ready})
	return nil
}

// httpError converts the error of a prediction to an answer.
func (t target) httpError(err error) error {
	if err = httpError(err); err == nil || !t.kserve {
		return err
	}
	return forKServe(err)
}

// forKServe adds the member error, which clients of KServe read.
func forKServe(err error) error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		c := *e
		c.Text = e.Message
		return &c
	}
	return err
}

// describe answers OPTIONS of a prediction.
func describe(w http.ResponseWriter, m *engine.Model) {
	wire.JSON(w, http.StatusOK, openapi.Predict(m.Name, "Inputs: "+specs(m.Inputs), "Outputs: "+specs(m.Outputs)))
}

// specs describes inputs or outputs.
func specs(all []tensor.Spec) string {
	if len(all) == 0 {
		return "bytes, as the handler of the model defines them."
	}
	var out []string
	for _, s := range all {
		out = append(out, fmt.Sprintf("%s (%s %v)", s.Name, s.Type, s.Shape))
	}
	return strings.Join(out, ", ") + "."
}
