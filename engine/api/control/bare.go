package control

import (
	"context"
	"errors"
	"net/http"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// Bare answers POST bare: the bare rate of the model with the settings in force.
type Bare struct {
	RPS       float64 `json:"rps"` // items a second of all workers together
	Workers   int     `json:"workers"`
	BatchSize int     `json:"batch_size"`
	Runs      int     `json:"runs"`   // counted runs of all workers
	RunMS     float64 `json:"run_ms"` // median time of a run while the other workers run too
}

// bare measures the bare rate, for which the workers must be idle. If requests keep them
// busy, it answers 503.
func (a *API) bare(w http.ResponseWriter, r *http.Request) error {
	s, err := a.find(r)
	if err != nil {
		return err
	}
	select {
	case a.changing <- struct{}{}: // keep the settings during the measurement
		defer func() { <-a.changing }()
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
	b, err := s.Bare(r.Context())
	switch {
	case errors.Is(err, engine.ErrBusy):
		return wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, "%v", err)
	case err != nil:
		return err
	}
	wire.JSON(w, http.StatusOK, Bare{RPS: b.PerSecond, Workers: b.Workers, BatchSize: b.Batch, Runs: b.Runs, RunMS: ms(b.PerRun)})
	return nil
}
