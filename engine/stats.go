package engine

import (
	"maps"
	"time"

	"sweetspot/engine/batching"
)

// counters are the monotone counters of a service, guarded by ModelService.mu.
type counters struct {
	accepted, refused, cancelled, expired int64
	ok, failed, batches                   int64
	failedBatches, lost                   int64
	queue, formation, execution           time.Duration
	busy, work                            time.Duration
	sizes                                 map[int]int64

	requests        int64                   // queued
	rejected        [rejections]int64       // requests that were not queued
	left            [batching.Reasons]int64 // batches by the reason for which they were sent
	okTime, okWait  time.Duration           // sums over rows that succeeded
	lastWait        time.Duration           // of the row that was sent last
	lastRun         time.Duration           // of the batch that ended last
	requestTimes    durationCounts          // of rows that succeeded
	waits, runTimes durationCounts          // of rows that were sent, of batches
}

// Stats is a snapshot of a service's counters. They count rows unless the field says
// otherwise. All but Queue, InFlight and Workers are monotone, so that the difference
// of two snapshots describes the time between them. Times are sums over rows; BusyNS
// is a sum over batches, WorkNS is wall-clock time. BusyNS/WorkNS is therefore the mean
// number of executing workers while there was work.
type Stats struct {
	Queue     int   `json:"queue"`     // waiting
	InFlight  int   `json:"in_flight"` // in a batch and not answered
	Workers   int   `json:"workers"`
	Accepted  int64 `json:"accepted"`
	Refused   int64 `json:"refused"`
	Cancelled int64 `json:"cancelled"` // caller left before execution
	Expired   int64 `json:"expired"`   // deadline passed before execution
	OK        int64 `json:"ok"`
	Failed    int64 `json:"failed"`
	Batches   int64 `json:"batches"`
	// FailedBatches counts batches that failed as a whole, even if their rows
	// succeeded in the retry.
	FailedBatches int64         `json:"failed_batches"`
	LostSessions  int64         `json:"lost_sessions"` // sessions that could not run any more
	Sizes         map[int]int64 `json:"sizes"`         // batches by size
	DecodeNS      int64         `json:"decode_ns"`
	QueueNS       int64         `json:"queue_ns"`
	FormationNS   int64         `json:"formation_ns"`
	ExecutionNS   int64         `json:"execution_ns"`
	EncodeNS      int64         `json:"encode_ns"`
	BusyNS        int64         `json:"busy_ns"`
	WorkNS        int64         `json:"work_ns"` // time with a row queued or in flight
	// Lengths is nil if no input of the model has an open dimension or is a side input.
	Lengths *LengthStats `json:"lengths,omitempty"`
}

// Stats returns a snapshot.
func (s *ModelService) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats()
}

// stats is Stats with the lock held.
func (s *ModelService) stats() Stats {
	c := &s.count
	workers := 0
	if s.pool != nil {
		workers = len(s.pool.workers)
	}
	work := c.work
	if s.hasWork {
		work += s.now() - s.workSince
	}
	return Stats{
		Queue: s.waitingRows(), InFlight: s.inFlight, Workers: workers,
		Accepted: c.accepted, Refused: c.refused, Cancelled: c.cancelled, Expired: c.expired,
		OK: c.ok, Failed: c.failed, Batches: c.batches,
		FailedBatches: c.failedBatches, LostSessions: c.lost, Sizes: maps.Clone(c.sizes),
		DecodeNS: s.decoding.Load(), QueueNS: int64(c.queue), FormationNS: int64(c.formation),
		ExecutionNS: int64(c.execution), EncodeNS: s.encoding.Load(),
		BusyNS: int64(c.busy), WorkNS: int64(work), Lengths: s.lengths.snapshot(),
	}
}

// Observe adds the time one request spent outside the queue: decoding its body
// and encoding its answer.
func (s *ModelService) Observe(decode, encode time.Duration) {
	s.decoding.Add(int64(decode))
	s.encoding.Add(int64(encode))
}

// recordBatch counts a batch that has ended now; it failed as a whole if err is not
// nil. It runs before the rows are answered, so that a caller finds its own request
// counted. It reports whether another full batch is queued.
func (s *ModelService) recordBatch(w *worker, now, took time.Duration, err error) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.count
	c.batches++
	c.sizes[len(w.batch)]++
	s.recent.add(recentBatch{w.id, len(w.batch), w.left, now, took})
	c.busy += took
	c.lastRun = took
	c.runTimes.add(took)
	c.execution += took * time.Duration(len(w.batch))
	if err != nil {
		c.failedBatches++
		s.logFailed(len(w.batch), err)
	}
	for i := range w.results {
		if w.results[i].Err != nil {
			c.failed++
			continue
		}
		c.ok++
		t := &w.batch[i].timing
		wait := t.Queue + t.Formation
		c.okWait += wait
		c.okTime += wait + took
		c.requestTimes.add(wait + took)
	}
	s.inFlight -= len(w.batch)
	s.accountWork(now)
	return s.queue.n >= s.cfg.BatchSize
}

// logEvery is the shortest time between two log lines of failed batches.
const logEvery = 10 * time.Second

// logFailed logs the first failed batch, and later ones at most every logEvery, with
// their number. The lock is held.
func (s *ModelService) logFailed(size int, err error) {
	now := s.now()
	if s.count.failedBatches > 1 && now-s.lastFailureLog < logEvery {
		return
	}
	s.lastFailureLog = now
	s.log.Warn("batch failed", "model", s.model.Name, "version", s.model.Version, "rows", size, "failed_batches", s.count.failedBatches, "err", err)
}

// accountWork updates the time with work. It is called after the queue or inFlight
// may have changed. The lock is held.
func (s *ModelService) accountWork(now time.Duration) {
	hasWork := s.queue.n+s.inFlight > 0
	switch {
	case hasWork && !s.hasWork:
		s.workSince = now
	case !hasWork && s.hasWork:
		s.count.work += now - s.workSince
	}
	s.hasWork = hasWork
}
