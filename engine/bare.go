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

// Bounds of a bare measurement: it counts runs for bareTime, and the one that is
// under way then; it waits for requests under way for at most bareWait.
const (
	bareTime = 150 * time.Millisecond
	bareWait = 2 * time.Second
)

// ErrBusy says that requests kept the workers from what needs them all.
var ErrBusy = errors.New("requests are being served")

// BareRate is what a model alone does with the settings in force: all its
// workers run full batches of made-up items at the same time, one behind the
// other, without queue, batching and protocol.
type BareRate struct {
	PerSecond float64 // items a second, of all workers together
	Workers   int
	Batch     int           // items in a run
	Runs      int           // that were counted, of all workers
	PerRun    time.Duration // median of one, beside those of the other workers
}

// Bare measures the bare rate on the workers themselves, once none of them has
// anything to do: whatever else they ran would make the rate too low. What
// arrives meanwhile waits in the queue. It returns ErrBusy when requests keep
// coming; applies wait for it, and it for them.
func (s *Served) Bare(ctx context.Context) (BareRate, error) {
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return BareRate{}, fmt.Errorf("bare rate: %w", err)
	}
	defer done()
	workers, c, err := s.borrow(ctx)
	if err != nil {
		return BareRate{}, fmt.Errorf("bare rate: %w", err)
	}
	defer s.giveBack(workers)
	out, err := race(ctx, workers, sampleRows(s.model, c.BatchSize, 3))
	if err != nil {
		return BareRate{}, fmt.Errorf("bare rate: %w", err)
	}
	return out, nil
}

// borrow takes all workers away from the requests, as soon as there are none.
func (s *Served) borrow(ctx context.Context) ([]*worker, knob.Config, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bareWait, fmt.Errorf("%w: hold the load first", ErrBusy))
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		workers, err := s.tryBorrow()
		if workers != nil || err != nil {
			return workers, s.Config(), err // no apply changes it meanwhile
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, knob.Config{}, context.Cause(ctx)
		}
	}
}

// tryBorrow returns nil while a worker or a request is under way.
func (s *Served) tryBorrow() ([]*worker, error) {
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
		s.advance(s.now(), batching.Event{Kind: batching.Retired})
	}
	return workers, nil
}

// giveBack lets borrowed workers serve requests again.
func (s *Served) giveBack(workers []*worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range workers {
		s.idle = append(s.idle, w)
		s.advance(s.now(), batching.Event{Kind: batching.Freed})
	}
}

// race lets the workers run rows at the same time.
func race(ctx context.Context, workers []*worker, rows []payload.Row) (BareRate, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := racers{ctx: ctx, fail: cancel, rows: rows}
	r.warming.Add(len(workers))
	times := make([][]time.Duration, len(workers))
	var all sync.WaitGroup
	for i, w := range workers {
		all.Go(func() { times[i] = r.race(w) })
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return BareRate{}, err
	}
	return sumUp(times, len(rows)), nil
}

// racers is what the workers of one race share.
type racers struct {
	ctx      context.Context // ends with the first error
	fail     context.CancelCauseFunc
	rows     []payload.Row
	warming  sync.WaitGroup // workers that have not run yet
	counting atomic.Int64   // workers that began to count and have not ended
}

// race runs once, waits for the others, and times runs. It goes on until all have
// timed enough, so that every timed run has the others beside it. A first run
// that takes long is enough, and counts.
func (r *racers) race(w *worker) (times []time.Duration) {
	out := make([]payload.Result, len(r.rows))
	begin := time.Now()
	ok := r.once(w, out)
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
		ok = r.once(w, out)
		now := time.Now()
		times, last = append(times, now.Sub(last)), now
	}
	for r.counting.Add(-1); ok && r.counting.Load() > 0; {
		ok = r.once(w, out)
	}
	return times
}

// once tells whether the race goes on.
func (r *racers) once(w *worker, out []payload.Result) bool {
	clear(out)
	err := run(r.ctx, w.session, r.rows, out)
	for i := range out {
		err = cmp.Or(err, out[i].Err)
	}
	if err != nil {
		r.fail(err)
	}
	return r.ctx.Err() == nil
}

// sumUp takes the median run of each worker, so that what disturbed the machine
// for a moment does not count.
func sumUp(times [][]time.Duration, batch int) BareRate {
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
