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
	"sweetspot/engine/tensor"
)

// Bounds of a bare-rate measurement: it counts runs for bareTime, and waits at most
// bareWait until no request is queued or in flight. Rows of different lengths are in at most
// bareBatches batches, which run in turn, at least bareTurns times.
const (
	bareTime    = 150 * time.Millisecond
	bareWait    = 2 * time.Second
	bareBatches = 8
	bareTurns   = 4
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
	PerRun    time.Duration // median time of a run, or mean of some batches in turn, while the other workers run too
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
	out, err := runInParallel(ctx, workers, batchesForBare(s.model, c.BatchSize))
	if err != nil {
		return BareRate{}, fmt.Errorf("bare rate: %w", err)
	}
	return out, nil
}

// batchesForBare returns the batches of a measurement: one, or several if samples have different
// lengths, because the time of one would be that of its lengths.
func batchesForBare(m *Model, size int) [][]payload.Row {
	out := [][]payload.Row{sampleRows(m, size, 3)}
	if tensor.Lengths(m.Inputs) == nil {
		return out
	}
	for n := len(m.Samples); len(out) < bareBatches && len(out)*size < n; {
		batch := make([]payload.Row, size)
		for i := range batch {
			batch[i] = m.Samples[(len(out)*size+i)%n]
		}
		out = append(out, batch)
	}
	return out
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

// runInParallel times runs of the batches on all workers in parallel.
func runInParallel(ctx context.Context, workers []*worker, batches [][]payload.Row) (BareRate, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := parallelRun{ctx: ctx, fail: cancel, batches: batches}
	r.warming.Add(len(workers))
	all := make([]timedRuns, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() { all[i] = r.timeRuns(w) })
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return BareRate{}, err
	}
	return summarize(all, len(batches[0])), nil
}

// parallelRun is the state that the workers of one measurement share.
type parallelRun struct {
	ctx      context.Context // ends with the first error
	fail     context.CancelCauseFunc
	batches  [][]payload.Row
	warming  sync.WaitGroup // workers that have not ended their first run
	counting atomic.Int64   // workers that count runs
}

// timedRuns are the runs of a worker.
type timedRuns struct {
	times []time.Duration // of a run; the mean of each turn
	turn  int             // batches in a turn
}

// timeRuns runs once, waits for the other workers, and times runs for bareTime. Then it
// runs on, untimed, until all workers have finished, so that every timed run competes
// with all workers. A first run of at least bareTime is the only one and counts.
func (r *parallelRun) timeRuns(w *worker) timedRuns {
	out := make([]payload.Result, len(r.batches[0]))
	begin := time.Now()
	ok := r.runOnce(w, 0, out)
	first := time.Since(begin)
	if first < bareTime {
		r.counting.Add(1)
	}
	r.warming.Done()
	r.warming.Wait()
	if first >= bareTime {
		return timedRuns{[]time.Duration{first}, 1}
	}
	t := timedRuns{turn: len(r.batches)}
	for t.turn > 1 && time.Duration(t.turn)*first > bareTime/bareTurns {
		t.turn--
	}
	begin = time.Now()
	for last := begin; ok && last.Sub(begin) < bareTime; {
		for i := 0; ok && i < t.turn; i++ {
			ok = r.runOnce(w, i, out)
		}
		now := time.Now()
		t.times, last = append(t.times, now.Sub(last)/time.Duration(t.turn)), now
	}
	for r.counting.Add(-1); ok && r.counting.Load() > 0; {
		ok = r.runOnce(w, 0, out)
	}
	return t
}

// runOnce runs a batch and reports whether the measurement goes on.
func (r *parallelRun) runOnce(w *worker, batch int, out []payload.Result) bool {
	clear(out)
	err := run(r.ctx, uncounted(w.session), r.batches[batch], out)
	for i := range out {
		err = cmp.Or(err, out[i].Err)
	}
	if err != nil {
		r.fail(err)
	}
	return r.ctx.Err() == nil
}

// summarize uses the median of each worker, so that a short disturbance of the machine does not
// count.
func summarize(all []timedRuns, batch int) BareRate {
	out := BareRate{Workers: len(all), Batch: batch}
	var total time.Duration
	for _, t := range all {
		slices.Sort(t.times)
		median := t.times[len(t.times)/2]
		out.PerSecond += float64(batch) / median.Seconds()
		out.Runs += len(t.times) * t.turn
		total += median
	}
	out.PerRun = total / time.Duration(len(all))
	return out
}
