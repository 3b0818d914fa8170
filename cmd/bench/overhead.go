package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// measureOverhead measures the cost of the engine: in this process compared with
// the bare session, and over HTTP, in another process, compared with an empty
// handler.
func measureOverhead(ctx context.Context, e *env) error {
	if err := inProcess(ctx, e); err != nil {
		return err
	}
	s, err := startServer(ctx, e)
	if err != nil {
		return err
	}
	err = overHTTP(ctx, e, s)
	return s.stop(err)
}

// inProcess adds the figures of Submit.
func inProcess(ctx context.Context, e *env) (err error) {
	eng := newEngine(e.cores)
	defer func() {
		if closeErr := eng.Close(context.WithoutCancel(ctx)); err == nil {
			err = closeErr
		}
	}()
	model := spinModel("spin", 256)
	if err := eng.Load(ctx, model, spinConfig(8, 0)); err != nil {
		return err
	}
	service, err := eng.Find(model.Name, "")
	if err != nil {
		return err
	}
	if err := submitP50(ctx, e, service); err != nil {
		return err
	}
	return submitAllocs(ctx, e, service)
}

// submitP50 compares one caller of Submit with one caller of the session's Run.
func submitP50(ctx context.Context, e *env, service *engine.ModelService) error {
	item := tensor.Item{{Type: tensor.Float32, Shape: []int64{64}, Data: make([]byte, 256)}}
	bare, err := spin{}.Open(ctx, service.Model(), service.Config())
	if err != nil {
		return err
	}
	in, out := payload.OfItems(item), make([]payload.Result, 1)
	var times []time.Duration // shared by all blocks
	submit := func(ctx context.Context, d time.Duration) (float64, error) {
		return callP50(d, &times, func() error {
			_, _, err := service.Submit(ctx, item)
			return err
		})
	}
	run := func(ctx context.Context, d time.Duration) (float64, error) {
		return callP50(d, &times, func() error { return bare.Run(ctx, in, out) })
	}
	r, err := judge.Paired(ctx, e.plan(watchDisturbance(os.Getpid())), submit, run)
	if err != nil {
		return err
	}
	e.report.Add(r.Added("overhead.p50.process", "us",
		fmt.Sprintf("bare run %s us, 1 caller", judge.Number(r.B))))
	return nil
}

// callP50 calls f for d and returns the median call in microseconds.
func callP50(d time.Duration, times *[]time.Duration, f func() error) (float64, error) {
	all := (*times)[:0]
	for begin, last := time.Now(), time.Now(); last.Sub(begin) < d; {
		if err := f(); err != nil {
			return 0, err
		}
		now := time.Now()
		all = append(all, now.Sub(last))
		last = now
	}
	*times = all
	return medianUS(all), nil
}

// medianUS sorts d and returns the value of rank ceil(n/2).
func medianUS(d []time.Duration) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return float64(d[(len(d)-1)/2]) / float64(time.Microsecond)
}

// submitAllocs counts the allocations of the engine per Submit, with 16 callers
// whose requests run in the same batches. The mean is rounded down, as by
// testing.AllocsPerRun, because the start of the callers allocates too, and so
// does a pool that the garbage collector has emptied.
func submitAllocs(ctx context.Context, e *env, service *engine.ModelService) error {
	const callers = 16
	if err := submitAll(ctx, service, callers, 100); err != nil { // fills the pools
		return err
	}
	perCaller := max(e.budget.calls/callers, 1)
	before := service.Stats()
	var err error
	n := mallocs(func() { err = submitAll(ctx, service, callers, perCaller) })
	if err != nil {
		return err
	}
	after := service.Stats()
	requests := uint64(callers * perCaller)
	e.report.Add(judge.Figure{
		Name: "overhead.allocs.submit", Value: float64(n / requests), Unit: "count",
		Detail: fmt.Sprintf("%d objects in %d submits of %d callers, mean batch %s", n, requests, callers,
			judge.Number(float64(after.OK-before.OK)/float64(after.Batches-before.Batches))),
	})
	return nil
}

// submitAll submits perCaller times from each of the callers, in parallel.
func submitAll(ctx context.Context, service *engine.ModelService, callers, perCaller int) error {
	item := tensor.Item{{Type: tensor.Float32, Shape: []int64{64}, Data: make([]byte, 256)}}
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := 0; n < perCaller && errs[i] == nil; n++ {
				_, _, errs[i] = service.Submit(ctx, item)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
