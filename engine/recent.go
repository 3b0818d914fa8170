package engine

import (
	"slices"
	"time"

	"sweetspot/engine/batching"
)

// RecentBatch is one executed batch.
type RecentBatch struct {
	Worker int    `json:"worker"` // its number among the present workers, from 0
	Size   int    `json:"size"`   // rows
	Left   string `json:"left"`   // why it was sent: the name of a batching.Reason
	EndNS  int64  `json:"end_ns"` // when it ended, since the service began
	RunNS  int64  `json:"run_ns"` // execution time
}

// maxRecent is how many batches a service remembers.
const maxRecent = 128

// recentBatches is a ring of the latest batches, guarded by ModelService.mu.
type recentBatches struct {
	ring [maxRecent]recentBatch
	n    int // batches ever added
}

// recentBatch has the worker's id, because its number changes when others retire. It has no pointer
// to the worker, which would keep the memory of retired ones.
type recentBatch struct {
	worker   int
	size     int
	left     batching.Reason
	end, run time.Duration
}

func (r *recentBatches) add(b recentBatch) {
	r.ring[r.n%maxRecent] = b
	r.n++
}

// RecentBatches returns the latest batches of the present workers, oldest first, at
// most 128. It is for people who look at how batches form; counters are in Stats.
func (s *ModelService) RecentBatches() []RecentBatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.recent
	out := make([]RecentBatch, 0, min(r.n, maxRecent))
	if s.pool == nil {
		return out
	}
	for i := max(r.n-maxRecent, 0); i < r.n; i++ {
		b := r.ring[i%maxRecent]
		if at := slices.IndexFunc(s.pool.workers, func(w *worker) bool { return w.id == b.worker }); at >= 0 {
			out = append(out, RecentBatch{Worker: at, Size: b.size, Left: b.left.String(), EndNS: int64(b.end), RunNS: int64(b.run)})
		}
	}
	return out
}
