package control

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// defaultRuns is the default number of runs of a profile.
const defaultRuns = 100

// Operators answers POST operators: the time of a run by type of operator, largest first.
type Operators struct {
	Runs      int        `json:"runs"`       // counted runs
	BatchSize int        `json:"batch_size"` // items in each
	RunMS     float64    `json:"run_ms"`     // of all operators of one run
	Operators []Operator `json:"operators"`
}

// Operator is one type of operator.
type Operator struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of RunMS, 0 to 1
	MS    float64 `json:"ms"`    // in one run
	Calls int     `json:"calls"` // likewise
}

// profileRequest is the body of a POST.
type profileRequest struct {
	Runs int `json:"runs"`
}

// operators profiles the model with the settings in force. The body is a JSON
// object with the number of runs, {"runs": 100}, or empty.
func (a *API) operators(w http.ResponseWriter, r *http.Request) error {
	s, err := a.find(r)
	if err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r, nil, wire.Limits{Size: maxChange, Time: changeTime}, nil)
	if err != nil {
		return err
	}
	want := profileRequest{defaultRuns}
	if len(bytes.TrimSpace(body)) > 0 {
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil {
			return wire.Errorf(http.StatusBadRequest, wire.BadRequest, `the body is not {"runs": 100}: %v`, err)
		}
	}
	if want.Runs < 1 || want.Runs > engine.MaxProfileRuns {
		return wire.Errorf(http.StatusBadRequest, wire.BadRequest, "runs: %d is outside 1-%d", want.Runs, engine.MaxProfileRuns)
	}
	select {
	case a.changing <- struct{}{}: // keep the settings while the profile runs
		defer func() { <-a.changing }()
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
	p, err := s.Operators(r.Context(), want.Runs)
	if err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, operatorsOf(p))
	return nil
}

func operatorsOf(p engine.OperatorProfile) Operators {
	out := Operators{Runs: p.Runs, BatchSize: p.Batch, RunMS: ms(p.PerRun), Operators: make([]Operator, 0, len(p.Operators))}
	for _, o := range p.Operators {
		out.Operators = append(out.Operators, Operator{Name: o.Name, Share: o.Share, MS: ms(o.PerRun), Calls: o.Calls})
	}
	return out
}
