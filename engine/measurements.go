package engine

import (
	"errors"
	"math/bits"
	"time"

	"sweetspot/engine/batching"
)

// Rejection is why a request was not queued.
type Rejection uint8

// The reasons.
const (
	RejectedQueueFull   Rejection = iota // the queue had no room
	RejectedTooManyRows                  // more rows than the queue size
	RejectedNoWorkers                    // the version has no workers, or none has a session
	RejectedNotReady                     // the version is loading, or has failed to load
	RejectedClosed                       // the version is being unloaded
	rejections
)

func (r Rejection) String() string {
	return [...]string{"queue_full", "too_many_rows", "no_workers", "not_ready", "unloading"}[r]
}

// reject counts a request that available refuses with err, and returns err. The lock is held.
func (s *ModelService) reject(err error) error {
	r := RejectedNoWorkers
	switch {
	case errors.Is(err, ErrClosed):
		r = RejectedClosed
	case errors.Is(err, ErrNotReady):
		r = RejectedNotReady
	}
	s.count.rejected[r]++
	return err
}

// durationBounds are the upper bounds of the buckets in which durations are counted. They are
// dense where promises are made: at 1, 2, 5, 10, 20, 50, 100, 200 and 500 ms.
var durationBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond, 7500 * time.Microsecond,
	10 * time.Millisecond, 15 * time.Millisecond, 20 * time.Millisecond, 30 * time.Millisecond, 50 * time.Millisecond, 75 * time.Millisecond,
	100 * time.Millisecond, 150 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, 750 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// firstBucket has, for the number of bits of a duration in ns, the bucket from which the
// search for its bucket begins.
var firstBucket = func() (first [65]uint8) {
	for n := range first {
		for shortest := uint64(1) << n >> 1; int(first[n]) < len(durationBounds) && shortest > uint64(durationBounds[first[n]]); {
			first[n]++
		}
	}
	return first
}()

// durationCounts counts durations in the buckets of durationBounds. The lock of the service
// guards it.
type durationCounts struct {
	n   [len(durationBounds) + 1]int64 // the last one is above all bounds
	sum time.Duration
}

// add counts d, which is not negative.
func (c *durationCounts) add(d time.Duration) {
	i := int(firstBucket[bits.Len64(uint64(d))])
	for i < len(durationBounds) && d > durationBounds[i] {
		i++
	}
	c.n[i]++
	c.sum += d
}

// Histogram counts durations.
type Histogram struct {
	Bounds []time.Duration // upper bounds, inclusive, ascending; shared, not to be changed
	Counts []int64         // one for each bound, and one for what is above all; not cumulative
	Sum    time.Duration
}

func (c *durationCounts) histogram() Histogram {
	counts := c.n // a copy
	return Histogram{Bounds: durationBounds[:], Counts: counts[:], Sum: c.sum}
}

// Measurements are Stats with what metrics have beside them. All counts are monotone.
type Measurements struct {
	Stats
	QueueSize int
	BatchSize int
	// Requests counts all requests: queued, rejected, and those whose body was not valid.
	Requests int64
	Invalid  int64               // requests whose body was not valid, or that had no memory for it
	Rejected map[Rejection]int64 // requests by reason; every reason has an entry
	Left     map[batching.Reason]int64
	// OKTime and OKWait are sums over the rows that succeeded: their whole time from arrival
	// to the end of their batch, and the part of it before the batch was sent.
	OKTime, OKWait time.Duration
	LastWait       time.Duration // of the row that was sent last
	LastRun        time.Duration // of the batch that ended last
	RequestTimes   Histogram     // of rows that succeeded, from arrival to the end of their batch
	Waits          Histogram     // of rows that were sent, from arrival
	RunTimes       Histogram     // of batches
	WorkersReady   int           // workers with a session
}

// Measurements returns a snapshot.
func (s *ModelService) Measurements() Measurements {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.count
	m := Measurements{
		Stats: s.stats(), QueueSize: s.cfg.QueueSize, BatchSize: s.cfg.BatchSize,
		Requests: c.requests, Invalid: s.undecoded.Load(),
		Rejected: map[Rejection]int64{}, Left: map[batching.Reason]int64{},
		OKTime: c.okTime, OKWait: c.okWait, LastWait: c.lastWait, LastRun: c.lastRun,
		RequestTimes: c.requestTimes.histogram(), Waits: c.waits.histogram(), RunTimes: c.runTimes.histogram(),
	}
	m.WorkersReady = m.Workers
	if s.pool != nil {
		m.WorkersReady -= s.pool.sessionless
	}
	for r, n := range c.rejected {
		m.Rejected[Rejection(r)] = n
		m.Requests += n
	}
	m.Requests += m.Invalid
	for r, n := range c.left {
		m.Left[batching.Reason(r)] = n
	}
	return m
}

// WorkerInfo describes a worker.
type WorkerInfo struct {
	ID      int // unique in the engine, from 1
	Started time.Time
	Loading time.Duration // from the opening of its session until it was warm
	Ready   bool          // it has a session
	Device  string
	PID     int // of the worker's own process; 0 if it has none, or its session is lost
}

// Workers describes the workers in force, in the order of their start.
func (s *ModelService) Workers() []WorkerInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		return nil
	}
	out := make([]WorkerInfo, 0, len(s.pool.workers))
	for _, w := range s.pool.workers {
		out = append(out, WorkerInfo{
			ID: w.id, Started: w.started, Loading: w.started.Sub(w.opening), Ready: !w.sessionless, Device: string(s.pool.cfg.Device), PID: w.pid,
		})
	}
	return out
}

// LoadError returns why the version has failed to load; nil if it has not.
func (s *ModelService) LoadError() error {
	select {
	case <-s.loaded:
		return s.loadErr
	default:
		return nil
	}
}
