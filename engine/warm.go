package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Bounds of a warm-up. A session is warm when the times of two consecutive runs differ by
// at most warmTolerance. Each worker stops after warmRuns runs or warmTime.
const (
	warmRuns      = 5
	warmTime      = 2 * time.Second
	warmTolerance = 0.10
)

// errUnsampled means that nothing is known that the model accepts, so that it cannot be run
// without a request.
var errUnsampled = errors.New("it refuses made-up values, and there is no example input")

// openWorkers opens and warms n workers of p, or none if n is not positive. On an error
// it returns the workers that it has opened.
func (s *ModelService) openWorkers(ctx context.Context, p *pool, c knob.Config, n int, step func(Step)) ([]*worker, error) {
	var out []*worker
	for len(out) < n {
		together := 1
		if len(out) > 0 && processOf(out[0].session) != 0 { // processes start one beside the other
			together = min(n-len(out), max(1, s.cores/max(1, c.Threads)))
		}
		added, err := s.newWorkers(ctx, p, c, together)
		out = append(out, added...)
		if err != nil {
			return out, err
		}
	}
	if len(out) == 0 {
		return out, nil
	}
	return out, s.warmAll(ctx, out, c, step)
}

// warmAll warms workers in parallel: workers with own sessions only as many at a time
// as there are cores, workers with a shared session all at the same time, because
// otherwise each would warm the same part of the session.
func (s *ModelService) warmAll(ctx context.Context, workers []*worker, c knob.Config, step func(Step)) error {
	type warmed struct {
		cold string
		on   string
		took time.Duration
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parallel := len(workers)
	if workers[0].own {
		parallel = max(1, s.cores/max(1, c.Threads))
	}
	slots, results := make(chan struct{}, parallel), make(chan warmed)
	for _, w := range workers {
		go func() {
			slots <- struct{}{}
			begin := time.Now()
			cold, err := w.warm(ctx, s, c)
			<-slots
			results <- warmed{cold, placeOf(w.session), time.Since(begin), err}
		}()
	}
	var err error
	for i := range workers { // wait for all: the caller may close their sessions
		w := <-results
		if w.err != nil && err == nil {
			err = w.err
			cancel()
		}
		if err == nil {
			step(Step{warmText(fmt.Sprintf("warm worker %d of %d%s", i+1, len(workers), w.on), w.cold), w.took})
		}
	}
	return err
}

// Placed is a Session that is on one of several devices.
type Placed interface {
	// Place returns the device, and how it is used: "gpu:1 (cuda)"; "" if there is nothing to say.
	Place() string
}

// placeOf says on which device a session is: " on gpu:1 (cuda)"; "" if it does not say so.
func placeOf(s Session) string {
	if p, ok := s.(Placed); ok && p.Place() != "" {
		return " on " + p.Place()
	}
	return ""
}

// warmText describes what was warmed and what stayed cold.
func warmText(what, cold string) string {
	if cold == "" {
		return what
	}
	return what + " (" + cold + ")"
}

// warm runs the full batch first, so that the memory arena grows only once, then a
// single row. It returns what stayed cold, or "".
func (w *worker) warm(ctx context.Context, s *ModelService, c knob.Config) (cold string, err error) {
	size := c.BatchSize
	if s.model.Unsampled {
		return "still cold: " + errUnsampled.Error(), nil
	}
	rows := sampleRows(s.model, size, 1)
	deadline := time.Now().Add(warmTime)
	for _, n := range []int{size, 1} {
		stable, err := w.runUntilStable(ctx, rows[:n], deadline)
		if err != nil {
			return "", fmt.Errorf("warm-up with batch %d: %w", n, err)
		}
		if !stable && cold == "" {
			cold = fmt.Sprintf("batch %d still cold", n)
		}
		if size == 1 {
			break
		}
	}
	return cold, s.checkLarger(ctx, w.session, c)
}

// sampleRows returns n rows for m: its Samples in turn, or random tensors with the same side
// inputs, so that they are one run.
func sampleRows(m *Model, n int, seed uint64) []payload.Row {
	rng := rand.New(rand.NewPCG(seed, seed+1))
	rows := make([]payload.Row, n)
	for i := range rows {
		rows[i] = sampleRow(m, i, rng)
		if len(m.Samples) == 0 {
			m.ShareSide(rows[i].Item, rows[0].Item)
		}
	}
	return rows
}

// sampleRow returns the i-th of the Samples in turn, or a row of random tensors.
func sampleRow(m *Model, i int, rng *rand.Rand) payload.Row {
	if len(m.Samples) > 0 {
		return m.Samples[i%len(m.Samples)]
	}
	return payload.Row{Item: tensor.SampleItem(m.Inputs, rng)}
}

// runUntilStable runs rows and reports whether two consecutive runs took the same time.
// It stops after warmRuns runs or at the deadline. Differences below 0.2 ms count as the
// same time, since warming changes more.
func (w *worker) runUntilStable(ctx context.Context, rows []payload.Row, deadline time.Time) (bool, error) {
	const negligible = 200 * time.Microsecond
	out := make([]payload.Result, len(rows))
	var last time.Duration
	for i := range warmRuns {
		clear(out)
		start := time.Now()
		if err := run(ctx, uncounted(w.session), rows, out); err != nil {
			return false, err
		}
		took := time.Since(start)
		diff := (took - last).Abs()
		if i > 0 && (diff < negligible || float64(diff) <= warmTolerance*float64(max(took, last))) {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		last = took
	}
	return false, nil
}
