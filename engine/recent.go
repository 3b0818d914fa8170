package engine

import (
	"fmt"
	"slices"
	"time"
)

// Left is why a batch was sent to a worker.
type Left uint8

// The reasons.
const (
	LeftFull  Left = iota // the batch size was reached
	LeftDelay             // it waited for more rows until the batch delay ended
	LeftIdle              // a worker was idle, and the batch did not wait for more rows
)

var leftNames = [...]string{LeftFull: "full", LeftDelay: "delay", LeftIdle: "idle"}

func (l Left) String() string { return leftNames[min(int(l), len(leftNames)-1)] }

// MarshalText returns the name.
func (l Left) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText parses a name.
func (l *Left) UnmarshalText(text []byte) error {
	i := slices.Index(leftNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("batch left because of %q, want one of %v", text, leftNames)
	}
	*l = Left(i)
	return nil
}

// RecentBatch is one executed batch.
type RecentBatch struct {
	Worker int   `json:"worker"` // its number among the present workers, from 0
	Size   int   `json:"size"`   // rows
	Left   Left  `json:"left"`
	EndNS  int64 `json:"end_ns"` // when it ended, since the service began
	RunNS  int64 `json:"run_ns"` // execution time
}

// maxRecent is how many batches a service remembers.
const maxRecent = 128

// recentBatches is a ring of the latest batches, guarded by ModelService.mu.
type recentBatches struct {
	ring [maxRecent]recentBatch
	n    int // batches ever added
}

// recentBatch has the worker itself, because its number changes when others retire.
type recentBatch struct {
	worker   *worker
	size     int
	left     Left
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
		if at := slices.Index(s.pool.workers, b.worker); at >= 0 {
			out = append(out, RecentBatch{Worker: at, Size: b.size, Left: b.left, EndNS: int64(b.end), RunNS: int64(b.run)})
		}
	}
	return out
}

// leftReason is why the open batch is sent now. The lock is held.
func (s *ModelService) leftReason(now time.Duration) Left {
	switch {
	case len(s.openBatch) >= s.cfg.BatchSize:
		return LeftFull
	case len(s.openBatch) > 0 && now > s.openBatch[0].taken:
		return LeftDelay
	}
	return LeftIdle
}
