package oip

import (
	"net/http"
	"slices"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/wire"
	protocol "sweetspot/engine/oip"
)

// The answers of the routes beside infer.
type (
	live struct {
		Live bool `json:"live"`
	}
	ready struct {
		Ready bool `json:"ready"`
	}
	namedReady struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}
	names struct {
		Models []string `json:"models"`
	}
	indexEntry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		State   string `json:"state"`
		Reason  string `json:"reason"`
	}
)

// ready answers whether every version can answer requests now, without names, because a probe
// has no key.
func (h *Handler) ready(w http.ResponseWriter) {
	for _, s := range h.engine.Services() {
		if !s.CanAnswer() {
			w.Header().Set("Retry-After", "1")
			wire.JSON(w, http.StatusServiceUnavailable, ready{false})
			return
		}
	}
	wire.JSON(w, http.StatusOK, ready{true})
}

// names returns the names of the models, sorted.
func (h *Handler) names() []string {
	out := []string{}
	for _, s := range h.engine.Services() {
		out = append(out, s.Model().Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// find returns the version that t names.
func (h *Handler) find(t target) (*engine.ModelService, error) {
	s, err := h.engine.Find(t.model, t.version)
	if err != nil {
		return nil, inference.HTTPError(h.predictor.Unknown(t.model, t.version, err))
	}
	return s, nil
}

// modelReady answers whether a version can answer requests now.
func (h *Handler) modelReady(w http.ResponseWriter, r *http.Request, t target) error {
	s, err := h.find(t)
	if err != nil {
		return err
	}
	return get(w, r, func() {
		status, can := http.StatusOK, s.CanAnswer()
		if !can {
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
		}
		wire.JSON(w, status, namedReady{s.Model().Name, can})
	})
}

// describe answers with the description of a model.
func (h *Handler) describe(w http.ResponseWriter, r *http.Request, t target) error {
	s, err := h.find(t)
	if err != nil {
		return err
	}
	return get(w, r, func() {
		var versions []string
		for _, o := range h.engine.Services() {
			if m := o.Model(); m.Name == t.model {
				versions = append(versions, m.Version)
			}
		}
		slices.Sort(versions)
		wire.JSON(w, http.StatusOK, protocol.NewSignature(s.Model()).Metadata(t.model, versions...))
	})
}

// index answers with all versions and their states, as Triton does.
func (h *Handler) index(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return wire.NotAllowed(w, r, http.MethodPost)
	}
	limits := h.limits.Limits
	limits.Size = min(limits.Size, maxIndexRequest)
	memory := h.limits.Budget.NewReservation()
	defer memory.Release()
	body, err := wire.ReadBody(w, r, nil, limits, &memory)
	if err != nil {
		return err
	}
	onlyReady, err := protocol.DecodeIndexRequest(body)
	if err != nil {
		return wire.Errorf(http.StatusBadRequest, wire.BadRequest, "%v", err)
	}
	out := []indexEntry{}
	for _, s := range h.engine.Services() {
		m := s.Model()
		e := indexEntry{Name: m.Name, Version: m.Version}
		e.State, e.Reason = stateOf(s)
		if !onlyReady || e.State == stateReady {
			out = append(out, e)
		}
	}
	wire.JSON(w, http.StatusOK, out)
	return nil
}

// maxIndexRequest is the largest body of a request for the index, in bytes.
const maxIndexRequest = 1 << 16

// The states of a version in the index.
const (
	stateReady       = "READY"
	stateUnavailable = "UNAVAILABLE"
	stateLoading     = "LOADING"
	stateUnloading   = "UNLOADING"
)

// stateOf returns the state of a version, and why it cannot answer if it is unavailable.
func stateOf(s *engine.ModelService) (state, reason string) {
	switch s.State() {
	case engine.Loading:
		return stateLoading, ""
	case engine.Unloading:
		return stateUnloading, ""
	case engine.Ready:
		if s.CanAnswer() {
			return stateReady, ""
		}
		return stateUnavailable, "no worker can answer"
	}
	return stateUnavailable, "it was not loaded"
}
