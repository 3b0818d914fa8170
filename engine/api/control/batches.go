package control

import (
	"net/http"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// Batches answers GET batches: the latest batches of the present workers, oldest first.
type Batches struct {
	BatchSize int                  `json:"batch_size"` // in force
	Workers   int                  `json:"workers"`
	Batches   []engine.RecentBatch `json:"batches"`
}

func (a *API) batches(w http.ResponseWriter, r *http.Request) error {
	s, err := a.find(r)
	if err != nil {
		return err
	}
	c := s.Config()
	wire.JSON(w, http.StatusOK, Batches{BatchSize: c.BatchSize, Workers: c.Workers, Batches: s.RecentBatches()})
	return nil
}
