package inference

import (
	"fmt"
	"net/http"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/api/openapi"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/tensor"
)

// ping answers Healthy if the default version of every model is healthy.
func (h *Handler) ping(w http.ResponseWriter) {
	if h.predictor.Healthy() {
		wire.JSON(w, http.StatusOK, wire.Status{Status: "Healthy"})
		return
	}
	wire.JSON(w, http.StatusInternalServerError, wire.Status{Status: "Unhealthy"})
}

// ready answers whether every version can answer requests now. Unlike ping it counts a
// version without workers, and its failure is temporary.
func (h *Handler) ready(w http.ResponseWriter) {
	waiting, all := h.predictor.Waiting()
	if waiting > 0 { // without names, because a probe has no key
		w.Header().Set("Retry-After", "1")
		wire.JSON(w, http.StatusServiceUnavailable, wire.Status{Status: fmt.Sprintf("Not ready: %d of %d versions have no worker", waiting, all)})
		return
	}
	wire.JSON(w, http.StatusOK, wire.Status{Status: "Ready"})
}

// canAnswer reports whether the default version of a model can answer now, and whether there
// is such a model.
func (h *Handler) canAnswer(name string) (ready, found bool) {
	s, err := h.engine.Find(name, "")
	return err == nil && s.CanAnswer(), err == nil
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
	case name == "" && (verb == "predict" || verb == "explain"):
		return target{}, wire.ForKServe(target{}.unnamed())
	case name == "":
	case !ok:
		return target{}, wire.ModelReady(w, r, name, h.canAnswer)
	case verb == "predict", verb == "explain":
		return target{model: name, kserve: true, instances: true, explain: verb == "explain"}, nil
	}
	return target{}, wire.NoRoute(r)
}

// httpError converts the error of a prediction to an answer.
func (t target) httpError(err error) error {
	if err = HTTPError(err); err == nil || !t.kserve {
		return err
	}
	return wire.ForKServe(err)
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
