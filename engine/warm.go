package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Warm-up bounds. A session is warm when two runs in a row agree within warmAgree;
// each worker has warmTime.
const (
	warmRuns  = 5
	warmTime  = 2 * time.Second
	warmAgree = 0.10
)

// build opens and warms n workers of p; none when n is not positive. On an error it
// returns what it opened.
func (s *Served) build(ctx context.Context, p *pool, c knob.Config, n int, step func(Step)) ([]*worker, error) {
	var out []*worker
	for range max(n, 0) {
		w, err := s.newWorker(ctx, p, c)
		if err != nil {
			return out, err
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		return out, nil
	}
	return out, s.warmAll(ctx, out, c, step)
}

// warmAll warms workers side by side: those with sessions of their own as many at a
// time as there are cores for, and those that share one all together, or all of them
// would warm what one of them uses.
func (s *Served) warmAll(ctx context.Context, workers []*worker, c knob.Config, step func(Step)) error {
	type warmed struct {
		cold string
		took time.Duration
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beside := len(workers)
	if workers[0].own {
		beside = max(1, s.cores/max(1, c.Threads))
	}
	turn, ended := make(chan struct{}, beside), make(chan warmed)
	for _, w := range workers {
		go func() {
			turn <- struct{}{}
			begin := time.Now()
			cold, err := w.warm(ctx, s, c.BatchSize)
			<-turn
			ended <- warmed{cold, time.Since(begin), err}
		}()
	}
	var err error
	for i := range workers { // all of them end, as their sessions may be closed then
		one := <-ended
		if one.err != nil && err == nil {
			err = one.err
			cancel()
		}
		if err == nil {
			step(Step{warmText(fmt.Sprintf("warm worker %d of %d", i+1, len(workers)), one.cold), one.took})
		}
	}
	return err
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
func (w *worker) warm(ctx context.Context, s *Served, size int) (cold string, err error) {
	rows := sampleRows(s.model, size, 1)
	deadline := time.Now().Add(warmTime)
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
