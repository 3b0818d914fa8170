package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"sweetspot/cmd/bench/judge"
	rules "sweetspot/engine/batching"
	"sweetspot/sweep/stat"
)

// measureBatching measures the collector with the events of the engine, but
// without the engine: 1 worker, batches of 8, and a new request for each that was
// dispatched.
func measureBatching(ctx context.Context, e *env) error {
	for _, c := range []struct {
		name string
		cfg  rules.Config
	}{
		{"eager", rules.Config{Rule: rules.Eager, Size: 8}},
		{"torchserve", rules.Config{Rule: rules.TorchServe, Size: 8, Delay: time.Millisecond}},
	} {
		s := newStepper(c.cfg)
		detail := fmt.Sprintf("batch %d, delay %v, backlog 16", c.cfg.Size, c.cfg.Delay)
		if err := stepsPerSecond(ctx, e, "batching.steps."+c.name, detail, s); err != nil {
			return err
		}
		e.report.Add(stepAllocs(e, "batching.allocs."+c.name, detail, s))
	}
	return nil
}

func stepsPerSecond(ctx context.Context, e *env, name, detail string, s *stepper) error {
	const batches = 4096 // between two readings of the clock
	rates := make([]float64, e.budget.blocks)
	for i := range rates {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		before, start := s.steps, time.Now()
		for time.Since(start) < e.budget.blockLength/4 {
			s.run(batches)
		}
		rates[i] = float64(s.steps-before) / time.Since(start).Seconds() / 1e6
	}
	iv := stat.Mean(rates)
	e.report.Add(judge.Figure{
		Name: name, Value: iv.Value, Unit: "M/s", Interval: &iv,
		Detail: fmt.Sprintf("%d blocks, %s", len(rates), detail),
	})
	return nil
}

func stepAllocs(e *env, name, detail string, s *stepper) judge.Figure {
	before := s.steps
	n := mallocs(func() { s.run(e.budget.calls) })
	return judge.Figure{
		Name: name, Value: float64(n), Unit: "count",
		Detail: fmt.Sprintf("in %d steps, %s", s.steps-before, detail),
	}
}

// mallocs is how many objects this process allocated while f ran.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// stepper keeps a collector busy. Its time advances with each step, not with a
// clock, so that every run takes the same steps.
type stepper struct {
	col   *rules.Collector
	now   time.Duration
	steps int64
}

func newStepper(c rules.Config) *stepper {
	s := &stepper{col: rules.New(c)}
	for range 2 * c.Size { // a backlog, so that batches fill
		s.stepUntilWait(rules.Event{Kind: rules.Arrived})
	}
	return s
}

// run builds n batches: the worker becomes idle, a batch is dispatched, and as many
// requests arrive as were in the batch.
func (s *stepper) run(n int) {
	for range n {
		before := s.col.Queued()
		s.stepUntilWait(rules.Event{Kind: rules.WorkerIdle})
		for range before - s.col.Queued() {
			s.stepUntilWait(rules.Event{Kind: rules.Arrived})
		}
	}
}

// stepUntilWait carries out the actions of the collector until it waits.
func (s *stepper) stepUntilWait(e rules.Event) {
	a := s.step(e)
	for a.Do != rules.Wait {
		if a.Do == rules.Take {
			a = s.step(rules.Event{Kind: rules.Took, Arrival: s.now})
			continue
		}
		a = s.step(rules.Event{Kind: rules.Sent})
	}
}

func (s *stepper) step(e rules.Event) rules.Action {
	s.now += time.Nanosecond
	s.steps++
	return s.col.Step(s.now, e)
}
