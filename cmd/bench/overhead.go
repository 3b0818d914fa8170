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

// overhead measures what the engine costs: in this process against the bare
// session, and over HTTP, in a process of its own, against an empty handler.
func overhead(ctx context.Context, e *env) error {
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
		if cerr := eng.Close(context.WithoutCancel(ctx)); err == nil {
			err = cerr
		}
	}()
	model := spinModel("spin", 256)
	if err := eng.Load(ctx, model, spinConfig(8, 0)); err != nil {
		return err
	}
	served, err := eng.Find(model.Name, "")
	if err != nil {
		return err
	}
	if err := submitP50(ctx, e, served); err != nil {
		return err
	}
	return submitAllocs(ctx, e, served)
}

// submitP50 compares one caller of Submit with one of the session itself.
func submitP50(ctx context.Context, e *env, served *engine.ModelService) error {
	item := tensor.Item{{Type: tensor.Float32, Shape: []int64{64}, Data: make([]byte, 256)}}
	bare, err := spin{}.Open(ctx, served.Model(), served.Config())
	if err != nil {
		return err
	}
	in, out := payload.OfItems(item), make([]payload.Result, 1)
	var times []time.Duration // one memory for all blocks
	submit := func(ctx context.Context, d time.Duration) (float64, error) {
		return callP50(d, &times, func() error {
			_, _, err := served.Submit(ctx, item)
			return err
		})
	}
	run := func(ctx context.Context, d time.Duration) (float64, error) {
		return callP50(d, &times, func() error { return bare.Run(ctx, in, out) })
	}
	r, err := judge.Paired(ctx, e.plan(watch(os.Getpid())), submit, run)
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

// medianUS sorts d in place; its median has the rank ceil(n/2).
func medianUS(d []time.Duration) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return float64(d[(len(d)-1)/2]) / float64(time.Microsecond)
}

// submitAllocs counts what 16 callers, whose requests ride in batches, make the
// engine allocate. The whole number below the mean counts, as with
// testing.AllocsPerRun: starting the callers allocates too, and so does a pool
// that the garbage collector has emptied.
func submitAllocs(ctx context.Context, e *env, served *engine.ModelService) error {
	const callers = 16
	if err := submitAll(ctx, served, callers, 100); err != nil { // fills the pools
		return err
	}
	each := max(e.budget.count/callers, 1)
	before := served.Stats()
	var err error
	n := mallocs(func() { err = submitAll(ctx, served, callers, each) })
	if err != nil {
		return err
	}
	after := served.Stats()
	requests := uint64(callers * each)
	e.report.Add(judge.Figure{
		Name: "overhead.allocs.submit", Value: float64(n / requests), Unit: "count",
		Detail: fmt.Sprintf("%d objects in %d submits of %d callers, mean batch %s", n, requests, callers,
			judge.Number(float64(after.OK-before.OK)/float64(after.Batches-before.Batches))),
	})
	return nil
}

// submitAll submits each times from every caller at once.
func submitAll(ctx context.Context, served *engine.ModelService, callers, each int) error {
	item := tensor.Item{{Type: tensor.Float32, Shape: []int64{64}, Data: make([]byte, 256)}}
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := 0; n < each && errs[i] == nil; n++ {
				_, _, errs[i] = served.Submit(ctx, item)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
