package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"sweetspot/engine/api/control"
	"sweetspot/engine/batching"
	"sweetspot/sweep"
)

// maxWorkers is more than any engine has; it limits the memory for a wrong answer.
const maxWorkers = 1 << 16

// Batches returns the latest batches of the child. It does not start a child that has ended.
func (t *Target) Batches(ctx context.Context) (sweep.RecentBatches, error) {
	t.mu.Lock()
	cl, model := t.client, t.info.Model.Name
	t.mu.Unlock()
	if cl == nil {
		return sweep.RecentBatches{}, nil
	}
	resp, err := cl.do(ctx, http.MethodGet, "/engine/v1/models/"+url.PathEscape(model)+"/batches", nil)
	if err != nil {
		return sweep.RecentBatches{}, err
	}
	defer resp.Body.Close()
	var in control.Batches
	if err := json.NewDecoder(resp.Body).Decode(&in); err != nil {
		return sweep.RecentBatches{}, fmt.Errorf("recent batches: %w", err)
	}
	if in.Workers < 0 || in.Workers > maxWorkers {
		return sweep.RecentBatches{}, fmt.Errorf("recent batches: %d workers", in.Workers)
	}
	out := sweep.RecentBatches{BatchSize: in.BatchSize, Workers: make([][]sweep.FormedBatch, in.Workers)}
	for _, b := range in.Batches {
		if b.Worker < 0 || b.Worker >= in.Workers {
			continue // the number of workers has just changed
		}
		left, ok := reasons[b.Left]
		if !ok {
			return sweep.RecentBatches{}, fmt.Errorf("recent batches: unknown reason %q", b.Left)
		}
		out.Workers[b.Worker] = append(out.Workers[b.Worker], sweep.FormedBatch{Size: b.Size, Left: left})
	}
	return out, nil
}

// reasons are the reasons by their names in the answer.
var reasons = map[string]sweep.Left{
	batching.Full.String(): sweep.LeftFull, batching.Delayed.String(): sweep.LeftDelay,
	batching.Undelayed.String(): sweep.LeftIdle, batching.Abandoned.String(): sweep.LeftAbandoned,
}
