package control

import (
	"context"
	"math"
	"net/http"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// Agreement answers POST precision: how the FP16 outputs of the model compare with its FP32
// outputs for the same samples.
type Agreement struct {
	Samples int      `json:"samples"` // compared; 0 if they cannot be compared
	Agree   int      `json:"agree"`   // of them
	Largest *float64 `json:"largest"` // relative difference, as in engine.Agreement; null is infinite
	Clipped int64    `json:"clipped"` // weights that are outside the range of FP16
	Note    string   `json:"note,omitempty"`
}

// precision compares the precisions of the model, at most once for each device.
func (a *API) precision(w http.ResponseWriter, r *http.Request) error {
	s, err := a.find(r)
	if err != nil {
		return err
	}
	select {
	case a.changing <- struct{}{}: // keep the settings meanwhile
		defer func() { <-a.changing }()
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
	found, err := s.CheckPrecision(r.Context())
	if err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, agreementOf(found))
	return nil
}

func agreementOf(a engine.Agreement) Agreement {
	out := Agreement{Samples: a.Samples, Agree: a.Agree, Clipped: a.Clipped, Note: a.Note}
	if !math.IsInf(a.Largest, 0) {
		out.Largest = &a.Largest
	}
	return out
}
