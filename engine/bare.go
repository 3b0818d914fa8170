package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// Bounds of a bare-rate measurement: it counts runs for bareTime, and waits at most
// bareWait until no request is queued or in flight.
const (
	bareTime = 150 * time.Millisecond
	bareWait = 2 * time.Second
)

// ErrBusy means that requests kept the workers busy, and the bare rate needs all of them.
var ErrBusy = errors.New("requests are being served")

// BareRate is the throughput of the model alone with the settings in force: all its
// workers run full batches of random items in parallel, each one batch after the
// other, without queue, batching and protocol.
type BareRate struct {
	PerSecond float64 // items a second of all workers together
	Workers   int
	Batch     int           // items in a run
	Runs      int           // counted runs of all workers
	PerRun    time.Duration // median time of a run while the other workers run too
}

// Bare measures the bare rate. It uses the workers themselves, as soon as no request is
// queued or in flight, because other work would lower the rate. Requests that arrive
// meanwhile wait in the queue. It returns ErrBusy if the workers do not become idle. It
// runs while no other change does.
func (s *ModelService) Bare(ctx context.Context) (BareRate, error) {
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return BareRate{}, fmt.Errorf("bare rate: %w", err)
	}
	defer done()
	if s.model.Unsampled {
		return BareRate{}, fmt.Errorf("bare rate: %w", errUnsampled)
	}
	workers, c, err := s.reserveWorkers(ctx)
	if err != nil {
		return BareRate{}, fmt.Errorf("bare rate: %w", err)
	}
	defer s.releaseWorkers(workers)
	out, err := runInParallel(ctx, workers, sampleRows(s.model, c.BatchSize, 3))
	if err != nil {
		return BareRate{}, fmt.Errorf("bare rate: %w", err)
	}
	return out, nil
}

// reserveWorkers takes all workers out of service as soon as they are idle.
func (s *ModelService) reserveWorkers(ctx context.Context) ([]*worker, knob.Config, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bareWait, fmt.Errorf("%w: hold the load first", ErrBusy))
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		workers, err := s.tryReserveWorkers()
		if workers != nil || err != nil {
			return workers, s.Config(), err // changes are locked, so the settings cannot change
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, knob.Config{}, context.Cause(ctx)
		}
	}
}

// tryReserveWorkers returns nil if a worker is busy or a request is queued.
func (s *ModelService) tryReserveWorkers() ([]*worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Unloading {
		return nil, ErrClosed
	}
	if s.queue.n+s.inFlight > 0 || len(s.idle) == 0 || len(s.idle) < len(s.pool.workers) {
		return nil, nil
	}
	workers := slices.Clone(s.idle)
	s.idle = s.idle[:0]
	for range workers {
		s.stepCollector(s.now(), batching.Event{Kind: batching.WorkerRetired})
	}
	return workers, nil
}

// releaseWorkers puts reserved workers back into service.
func (s *ModelService) releaseWorkers(workers []*worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range workers {
		s.idle = append(s.idle, w)
		s.stepCollector(s.now(), batching.Event{Kind: batching.WorkerIdle})
	}
}

// runInParallel times runs of rows on all workers in parallel.
func runInParallel(ctx context.Context, workers []*worker, rows []payload.Row) (BareRate, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := parallelRun{ctx: ctx, fail: cancel, rows: rows}
	r.warming.Add(len(workers))
	times := make([][]time.Duration, len(workers))
	var all sync.WaitGroup
	for i, w := range workers {
		all.Go(func() { times[i] = r.timeRuns(w) })
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return BareRate{}, err
	}
	return summarize(times, len(rows)), nil
}

// parallelRun is the state that the workers of one measurement share.
type parallelRun struct {
	ctx      context.Context // ends with the first error
	fail     context.CancelCauseFunc
	rows     []payload.Row
	warming  sync.WaitGroup // workers that have not ended their first run
	counting atomic.Int64   // workers that count runs
}

// timeRuns runs once, waits for the other workers, and times runs for bareTime. Then it
// runs on, untimed, until all workers have finished, so that every timed run competes
// with all workers. A first run of at least bareTime is the only one and counts.
func (r *parallelRun) timeRuns(w *worker) (times []time.Duration) {
	out := make([]payload.Result, len(r.rows))
	begin := time.Now()
	ok := r.runOnce(w, out)
	first := time.Since(begin)
	if first < bareTime {
		r.counting.Add(1)
	}
	r.warming.Done()
	r.warming.Wait()
	if first >= bareTime {
		return []time.Duration{first}
	}
	begin = time.Now()
	for last := begin; ok && last.Sub(begin) < bareTime; {
		ok = r.runOnce(w, out)
		now := time.Now()
		times, last = append(times, now.Sub(last)), now
	}
	for r.counting.Add(-1); ok && r.counting.Load() > 0; {
		ok = r.runOnce(w, out)
	}
	return times
}

// runOnce runs the rows and reports whether the measurement goes on.
func (r *parallelRun) runOnce(w *worker, out []payload.Result) bool {
	clear(out)
	err := run(r.ctx, uncounted(w.session), r.rows, out)
	for i := range out {
		err = cmp.Or(err, out[i].Err)
	}
	if err != nil {
		r.fail(err)
	}
	return r.ctx.Err() == nil
}

// summarize uses the median run of each worker, so that a short disturbance of the
// machine does not count.
func summarize(times [][]time.Duration, batch int) BareRate {
	out := BareRate{Workers: len(times), Batch: batch}
	var total time.Duration
	for _, ts := range times {
		slices.Sort(ts)
		median := ts[len(ts)/2]
		out.PerSecond += float64(batch) / median.Seconds()
		out.Runs += len(ts)
		total += median
	}
	out.PerRun = total / time.Duration(len(times))
	return out
}
