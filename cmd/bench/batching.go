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

// batching measures the collector as the engine steps it, without the engine:
// 1 worker, batches of 8, and a request for each that has left.
func batching(ctx context.Context, e *env) error {
	for _, c := range []struct {
		name string
		cfg  rules.Config
	}{
		{"eager", rules.Config{Rule: rules.Eager, Size: 8}},
		{"torchserve", rules.Config{Rule: rules.TorchServe, Size: 8, Delay: time.Millisecond}},
	} {
		loop := newStepper(c.cfg)
		detail := fmt.Sprintf("batch %d, delay %v, backlog 16", c.cfg.Size, c.cfg.Delay)
		if err := stepsPerSecond(ctx, e, "batching.steps."+c.name, detail, loop); err != nil {
			return err
		}
		e.report.Add(stepAllocs(e, "batching.allocs."+c.name, detail, loop))
	}
	return nil
}

func stepsPerSecond(ctx context.Context, e *env, name, detail string, loop *stepper) error {
	const batches = 4096 // between two looks at the clock
	rates := make([]float64, e.budget.blocks)
	for i := range rates {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		before, start := loop.steps, time.Now()
		for time.Since(start) < e.budget.length/4 {
			loop.run(batches)
		}
		rates[i] = float64(loop.steps-before) / time.Since(start).Seconds() / 1e6
	}
	iv := stat.Mean(rates)
	e.report.Add(judge.Figure{
		Name: name, Value: iv.Value, Unit: "M/s", Interval: &iv,
		Detail: fmt.Sprintf("%d blocks, %s", len(rates), detail),
	})
	return nil
}

func stepAllocs(e *env, name, detail string, loop *stepper) judge.Figure {
	before := loop.steps
	n := mallocs(func() { loop.run(e.budget.count) })
	return judge.Figure{
		Name: name, Value: float64(n), Unit: "count",
		Detail: fmt.Sprintf("in %d steps, %s", loop.steps-before, detail),
	}
}

// mallocs is how many objects were allocated in this process while f ran.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// stepper keeps a collector busy. Its clock is a count of steps: a rule must not
// cost more when time passes oddly.
type stepper struct {
	col   *rules.Collector
	now   time.Duration
	steps int64
}

func newStepper(c rules.Config) *stepper {
	s := &stepper{col: rules.New(c)}
	for range 2 * c.Size { // a backlog, so that batches fill
		s.advance(rules.Event{Kind: rules.Arrived})
	}
	return s
}

// run forms n batches: the worker becomes idle, a batch leaves, and as many
// requests arrive as have left.
func (s *stepper) run(n int) {
	for range n {
		left := s.col.Queued()
		s.advance(rules.Event{Kind: rules.WorkerIdle})
		for range left - s.col.Queued() {
			s.advance(rules.Event{Kind: rules.Arrived})
		}
	}
}

// advance does what the collector says until it waits.
func (s *stepper) advance(e rules.Event) {
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
