package engine

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Warm-up bounds. A session is warm when two runs in a row agree within warmAgree;
// each worker has warmTime, and all of a pool together have warmAll: what is left
// then runs its full batch once.
const (
	warmRuns  = 5
	warmTime  = 2 * time.Second
	warmAll   = 20 * time.Second
	warmAgree = 0.10
)

// build opens and warms n workers of p; none when n is not positive. Workers that
// share a session are warmed side by side, or all of them would warm what one of them
// uses. On an error it returns what it opened.
func (s *Served) build(ctx context.Context, p *pool, c knob.Config, n int, step func(Step)) ([]*worker, error) {
	var out []*worker
	deadline := time.Now().Add(warmAll)
	for i := range max(n, 0) {
		begin := time.Now()
		w, err := s.newWorker(ctx, p, c)
		if err != nil {
			return out, err
		}
		out = append(out, w)
		if !w.own {
			continue
		}
		cold, err := w.warm(ctx, s, c.BatchSize, deadline)
		if err != nil {
			return out, err
		}
		step(Step{warmText(fmt.Sprintf("warm worker %d of %d", i+1, n), cold), time.Since(begin)})
	}
	if len(out) == 0 || out[0].own {
		return out, nil
	}
	return out, s.warmTogether(ctx, out, c.BatchSize, deadline, step)
}

// warmTogether warms workers that share a session.
func (s *Served) warmTogether(ctx context.Context, workers []*worker, size int, deadline time.Time, step func(Step)) error {
	begin := time.Now()
	cold, errs := make([]string, len(workers)), make([]error, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() { cold[i], errs[i] = w.warm(ctx, s, size, deadline) })
	}
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return err
	}
	what := "warm worker 1 of 1"
	if len(workers) > 1 {
		what = fmt.Sprintf("warm %d workers side by side", len(workers))
	}
	step(Step{warmText(what, cmp.Or(cold...)), time.Since(begin)})
	return nil
}

// warmText says what was warmed, and what stayed cold.
func warmText(what, cold string) string {
	if cold == "" {
		return what
	}
	return what + " (" + cold + ")"
}

// warm runs the full batch first, so that the arena grows once, then a single
// row. It returns "" or what stayed cold.
func (w *worker) warm(ctx context.Context, s *Served, size int, deadline time.Time) (cold string, err error) {
	rows := sampleRows(s.model, size, 1)
	if own := time.Now().Add(warmTime); own.Before(deadline) {
		deadline = own
	}
	for _, n := range []int{size, 1} {
		settled, err := w.settle(ctx, rows[:n], deadline)
		if err != nil {
			return "", fmt.Errorf("warm-up with batch %d: %w", n, err)
		}
		if !settled && cold == "" {
			cold = fmt.Sprintf("batch %d still cold", n)
		}
		if size == 1 {
			break
		}
	}
	return cold, nil
}

// sampleRows are n rows for m: those that it brings, in turns, or made-up tensors.
func sampleRows(m *Model, n int, seed uint64) []payload.Row {
	rng := rand.New(rand.NewPCG(seed, seed+1))
	rows := make([]payload.Row, n)
	for i := range rows {
		if len(m.Samples) > 0 {
			rows[i] = m.Samples[i%len(m.Samples)]
			continue
		}
		rows[i].Item = tensor.SampleItem(m.Inputs, rng)
	}
	return rows
}

// settle runs rows until two runs agree, the runs are used up, or the deadline
// has passed. A fifth of a millisecond is below what warming could change.
func (w *worker) settle(ctx context.Context, rows []payload.Row, deadline time.Time) (bool, error) {
	const floor = 200 * time.Microsecond
	out := make([]payload.Result, len(rows))
	var last time.Duration
	for i := range warmRuns {
		clear(out)
		start := time.Now()
		if err := run(ctx, w.session, rows, out); err != nil {
			return false, err
		}
		took := time.Since(start)
		diff := (took - last).Abs()
		if i > 0 && (diff < floor || float64(diff) <= warmAgree*float64(max(took, last))) {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		last = took
	}
	return false, nil
}
