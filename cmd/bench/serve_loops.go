package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// runBare runs full batches one after the other, as fast as the session allows.
func (eng *testEngine) runBare(ctx context.Context, q url.Values) (any, error) {
	m, d, err := eng.modelAndTime(q)
	if err != nil {
		return nil, err
	}
	return m.bareLoop(ctx, d)
}

// modelAndTime reads the model and the length of a block from the query.
func (eng *testEngine) modelAndTime(q url.Values) (*benchModel, time.Duration, error) {
	m, err := eng.find(q)
	if err != nil {
		return nil, 0, err
	}
	d, err := time.ParseDuration(q.Get("for"))
	return m, d, err
}

// bareLoop runs batches with the session for d, without the engine.
func (b *benchModel) bareLoop(ctx context.Context, d time.Duration) (blockResult, error) {
	out := make([]payload.Result, len(b.items))
	var running time.Duration
	runs := 0
	begin := time.Now()
	for now := begin; now.Sub(begin) < d; runs++ {
		if err := b.bare.Run(ctx, b.items, out); err != nil {
			return blockResult{}, err
		}
		end := time.Now()
		running += end.Sub(now)
		now = end
	}
	n := runs * len(b.items)
	return blockResult{
		RunNS: float64(running) / float64(runs), Rate: float64(n) / time.Since(begin).Seconds(), Full: n, All: n,
	}, nil
}

// runWaking is runBare with a goroutine that sleeps during each run and is woken up after it. It
// shows the duty that a worker can have if its callers sleep: the system call that wakes up
// another core belongs to the time between two runs.
func (eng *testEngine) runWaking(ctx context.Context, q url.Values) (any, error) {
	m, d, err := eng.modelAndTime(q)
	if err != nil {
		return nil, err
	}
	woken := make(chan struct{}, 1)
	var sleeper sync.WaitGroup
	sleeper.Go(func() {
		for range woken { // sleeps
		}
	})
	defer sleeper.Wait()
	defer close(woken)
	out := make([]payload.Result, len(m.items))
	var t blockResult
	for begin := time.Now(); time.Since(begin) < d; {
		start := time.Now()
		if err := m.bare.Run(ctx, m.items, out); err != nil {
			return blockResult{}, err
		}
		t.BusyNS += int64(time.Since(start))
		woken <- struct{}{}
		t.WorkNS += int64(time.Since(start))
		t.All, t.Full = t.All+len(m.items), t.Full+len(m.items)
	}
	return t, nil
}

// runCallers submits from twice as many callers as the batch size. Each caller
// submits again as soon as it has its answer.
func (eng *testEngine) runCallers(ctx context.Context, q url.Values) (any, error) {
	m, d, err := eng.modelAndTime(q)
	if err != nil {
		return nil, err
	}
	size := len(m.items)
	before, begin := m.service.Stats(), time.Now()
	errs, tallies := make([]error, 2*size), make([]tally, 2*size)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for time.Since(begin) < d && errs[i] == nil {
				var t engine.Timing
				_, t, errs[i] = m.service.Submit(ctx, m.items[i%size].Item)
				tallies[i].add(t.Execution, t.Batch == size)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	var sum tally
	for _, p := range tallies {
		sum.all, sum.full, sum.running = sum.all+p.all, sum.full+p.full, sum.running+p.running
	}
	return sum.result(took, before, m.service.Stats()), errors.Join(errs...)
}

// tally counts requests, and those in full batches.
type tally struct {
	all, full int
	running   time.Duration // of those in full batches
}

func (t *tally) add(execution time.Duration, full bool) {
	t.all++
	if full {
		t.full++
		t.running += execution
	}
}

// result is the result of a block, from the tally and the counters of the engine.
func (t *tally) result(took time.Duration, before, after engine.Stats) blockResult {
	return blockResult{
		RunNS: float64(t.running) / float64(max(t.full, 1)), Rate: float64(t.all) / took.Seconds(),
		Full: t.full, All: t.all, BusyNS: after.BusyNS - before.BusyNS, WorkNS: after.WorkNS - before.WorkNS,
	}
}

// capacity is how many items a second the workers of some settings can run, as
// parallel bare loops. The query has the settings as JSON of the control API.
func (eng *testEngine) capacity(ctx context.Context, q url.Values) (any, error) {
	m, d, err := eng.modelAndTime(q)
	if err != nil {
		return nil, err
	}
	c := m.service.Config()
	if err := json.Unmarshal([]byte(q.Get("settings")), &c.Settings); err != nil {
		return nil, err
	}
	return eng.capacityOf(ctx, m, c, d)
}

func (eng *testEngine) capacityOf(ctx context.Context, m *benchModel, c knob.Config, d time.Duration) (sum blockResult, err error) {
	one := &benchModel{items: samples(m.service.Model(), c.BatchSize)}
	if one.bare, err = eng.backend.Open(ctx, m.service.Model(), c); err != nil {
		return blockResult{}, fmt.Errorf("%s: %w", c.Settings, err)
	}
	defer func() { err = errors.Join(err, one.bare.Close()) }()
	if _, err = one.fastest(ctx); err != nil {
		return blockResult{}, err
	}
	results, errs := make([]blockResult, c.Workers), make([]error, c.Workers)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i], errs[i] = one.bareLoop(ctx, d) })
	}
	wg.Wait()
	for _, t := range results {
		sum.Rate += t.Rate
	}
	return sum, errors.Join(errs...)
}
