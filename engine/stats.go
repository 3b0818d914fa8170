package engine

import (
	"maps"
	"time"
)

// counters are a model's monotone counts, guarded by Served.mu.
type counters struct {
	accepted, refused, cancelled, expired int64
	ok, failed, batches                   int64
	failedBatches, lost                   int64
	queue, formation, execution           time.Duration
	busy, work                            time.Duration
	sizes                                 map[int]int64
}

// Stats is a snapshot of a model's counters, of rows unless they say otherwise. All
// but Queue, InFlight and Workers only ever grow, so that the difference of two
// snapshots is what happened between them. Times are sums over requests, BusyNS over batches;
// WorkNS is of the clock, so BusyNS/WorkNS is how many workers were executing
// while there was something to do.
type Stats struct {
	Queue     int   `json:"queue"`     // waiting
	InFlight  int   `json:"in_flight"` // taken and not answered
	Workers   int   `json:"workers"`
	Accepted  int64 `json:"accepted"`
	Refused   int64 `json:"refused"`
	Cancelled int64 `json:"cancelled"` // caller left before execution
	Expired   int64 `json:"expired"`   // deadline passed before execution
	OK        int64 `json:"ok"`
	Failed    int64 `json:"failed"`
	Batches   int64 `json:"batches"`
	// FailedBatches failed as a whole, whatever came of their rows when they were
	// run alone.
	FailedBatches int64         `json:"failed_batches"`
	LostSessions  int64         `json:"lost_sessions"` // that could not run any more
	Sizes         map[int]int64 `json:"sizes"`         // batches by formed size
	DecodeNS      int64         `json:"decode_ns"`
	QueueNS       int64         `json:"queue_ns"`
	FormationNS   int64         `json:"formation_ns"`
	ExecutionNS   int64         `json:"execution_ns"`
	EncodeNS      int64         `json:"encode_ns"`
	BusyNS        int64         `json:"busy_ns"`
	WorkNS        int64         `json:"work_ns"` // time with a request waiting or in flight
}

// Stats returns a snapshot.
func (s *Served) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.count
	workers := 0
	if s.pool != nil {
		workers = len(s.pool.workers)
	}
	work := c.work
	if s.working {
		work += s.now() - s.since
	}
	return Stats{
		Queue: s.waits(), InFlight: s.inFlight, Workers: workers,
		Accepted: c.accepted, Refused: c.refused, Cancelled: c.cancelled, Expired: c.expired,
		OK: c.ok, Failed: c.failed, Batches: c.batches,
		FailedBatches: c.failedBatches, LostSessions: c.lost, Sizes: maps.Clone(c.sizes),
		DecodeNS: s.decoding.Load(), QueueNS: int64(c.queue), FormationNS: int64(c.formation),
		ExecutionNS: int64(c.execution), EncodeNS: s.encoding.Load(),
		BusyNS: int64(c.busy), WorkNS: int64(work),
	}
}

// Observe adds the time one request spent outside the queue: decoding its body
// and encoding its answer.
func (s *Served) Observe(decode, encode time.Duration) {
	s.decoding.Add(int64(decode))
	s.encoding.Add(int64(encode))
}

// record counts a batch that has ended now, and failed as a whole if err is not nil. It runs
// before the rows are answered, so that a caller who has its answer finds it
// counted. It tells whether another full batch waits.
func (s *Served) record(w *worker, now, took time.Duration, err error) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.count
	c.batches++
	c.sizes[len(w.batch)]++
	c.busy += took
	c.execution += took * time.Duration(len(w.batch))
	if err != nil {
		c.failedBatches++
		s.logFailed(len(w.batch), err)
	}
	for _, r := range w.results {
		if r.Err != nil {
			c.failed++
		} else {
			c.ok++
		}
	}
	s.inFlight -= len(w.batch)
	s.accountWork(now)
	return s.queue.n >= s.cfg.BatchSize
}

// logEvery is how often a batch that failed is logged.
const logEvery = 10 * time.Second

// logFailed logs the first failed batch, and then one in a while, with how many
// there were. The lock is held.
func (s *Served) logFailed(size int, err error) {
	now := s.now()
	if s.count.failedBatches > 1 && now-s.lastFailure < logEvery {
		return
	}
	s.lastFailure = now
	s.log.Warn("batch failed", "model", s.model.Name, "version", s.model.Version, "rows", size, "failed_batches", s.count.failedBatches, "err", err)
}

// accountWork keeps the time with work, after queue or inFlight may have changed.
// The lock is held.
func (s *Served) accountWork(now time.Duration) {
	working := s.queue.n+s.inFlight > 0
	switch {
	case working && !s.working:
		s.since = now
	case !working && s.working:
		s.count.work += now - s.since
	}
	s.working = working
}
