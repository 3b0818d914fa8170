package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
)

// A change has a few hundred bytes and arrives at once.
const (
	maxChange  = 64 << 10
	changeTime = 10 * time.Second
)

// change applies a partial change of settings and streams its steps. If the client
// disconnects, the change is cancelled and the old settings stay in force.
func (a *API) change(w http.ResponseWriter, r *http.Request) error {
	s, err := a.find(r)
	if err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r, nil, wire.Limits{Size: maxChange, Time: changeTime}, nil)
	if err != nil {
		return err
	}
	select {
	case a.changing <- struct{}{}:
		defer func() { <-a.changing }()
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
	want := s.Config().Settings
	if err := decode(body, &want, s.Limits()); err != nil {
		faults := strings.ReplaceAll(err.Error(), "\n", "; ") // Validate joins them by lines
		return wire.Errorf(http.StatusBadRequest, wire.BadRequest, "%s", faults)
	}
	a.apply(w, r, s, want)
	return nil
}

// decode reads a partial change into want and validates all settings.
func decode(body []byte, want *knob.Settings, l knob.Limits) error {
	if err := json.Unmarshal(body, want); err != nil {
		return err
	}
	return want.Validate(l)
}

// apply changes the settings to want and streams the steps.
func (a *API) apply(w http.ResponseWriter, r *http.Request, s *engine.ModelService, want knob.Settings) {
	wire.SetHeaders(w.Header(), string(wire.AppendID(nil)))
	w.Header().Set("Content-Type", TypeLines)
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	_ = flush.Flush() // send the header now, because the first step may take long
	enc := json.NewEncoder(w)
	// Write errors do not matter: the context ends when the client disconnects.
	report := func(l Line) {
		_ = enc.Encode(l)
		_ = flush.Flush()
	}
	start := time.Now()
	err := s.Apply(r.Context(), want, func(step engine.Step) {
		report(Line{Step: step.What, MS: ms(step.Took)})
	})
	now := s.Config().Settings
	took := ms(time.Since(start))
	if err != nil {
		report(Line{Error: err.Error(), Kept: &now, MS: took})
		return
	}
	report(Line{Applied: &now, MS: took})
}
