package control

import (
	"context"
	"errors"
	"net/http"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// Bare answers POST bare: what the model alone does with the settings in force,
// all workers running full batches at the same time.
type Bare struct {
	RPS       float64 `json:"rps"` // items a second, of all workers together
	Workers   int     `json:"workers"`
	BatchSize int     `json:"batch_size"`
	Runs      int     `json:"runs"`   // that were counted, of all workers
	RunMS     float64 `json:"run_ms"` // of one run, beside those of the other workers
}

// bare takes the workers from the requests for a moment. While requests keep
// coming it answers 503.
func (a *API) bare(w http.ResponseWriter, r *http.Request) error {
	s, err := a.find(r)
	if err != nil {
		return err
	}
	select {
	case a.turn <- struct{}{}: // settings stay meanwhile
		defer func() { <-a.turn }()
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
