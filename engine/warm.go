package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sweetspot/engine/tensor"
)

// Warm-up bounds, per worker and batch size: a session is warm when two runs
// in a row agree within warmAgree.
const (
	warmRuns  = 5
	warmTime  = 2 * time.Second
	warmAgree = 0.10
)

// warm runs the full batch first, so that the arena grows once, then a single
// item. It returns "" or what stayed cold.
func (w *worker) warm(ctx context.Context, m *Model, size int) (cold string, err error) {
	rng := rand.New(rand.NewPCG(1, 2))
	items := make([]tensor.Item, size)
	for i := range items {
		items[i] = tensor.SampleItem(m.Inputs, rng)
	}
	deadline := time.Now().Add(warmTime)
	for _, n := range []int{size, 1} {
		settled, err := w.settle(ctx, items[:n], deadline)
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

// settle runs items until two runs agree, the runs are used up, or the deadline
// has passed. A fifth of a millisecond is below what warming could change.
func (w *worker) settle(ctx context.Context, items []tensor.Item, deadline time.Time) (bool, error) {
	const floor = 200 * time.Microsecond
	out := make([]Result, len(items))
	var last time.Duration
	for i := range warmRuns {
		clear(out)
		start := time.Now()
		if err := run(ctx, w.session, items, out); err != nil {
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
