package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/sweep/load"
)

// clients is the number of clients for figures of requests per second, the same
// as the largest batch.
const clients = 32

// overHTTP adds the figures of the HTTP listener.
func overHTTP(ctx context.Context, e *env, s *server) error {
	for _, size := range []int{256, 4096} {
		if err := httpP50(ctx, e, s, size); err != nil {
			return err
		}
	}
	if err := httpAllocs(ctx, e, s); err != nil {
		return err
	}
	for _, c := range []struct{ name, model string }{
		{"overhead.rate.delay-200us", modelWait},
		{"overhead.rate.delay-0", modelFor(256)},
	} {
		if err := httpRate(ctx, e, s, c.name, c.model); err != nil {
			return err
		}
	}
	return nil
}

// httpP50 compares one client of a model with one of the empty handler. The 10 us
// of the model are included.
func httpP50(ctx context.Context, e *env, s *server, size int) error {
	p50 := func(addr, model string) judge.Block {
		return func(ctx context.Context, d time.Duration) (float64, error) {
			res, err := send(ctx, addr, model, size, 1, d, 0)
			if err != nil {
				return 0, err
			}
			times := make([]time.Duration, len(res.Samples))
			for i, sample := range res.Samples {
				times[i] = sample.Latency
			}
			return medianUS(times), nil
		}
	}
	r, err := judge.Paired(ctx, e.plan(s.watch()), p50(s.Predict, modelFor(size)), p50(s.Empty, modelFor(size)))
	if err != nil {
		return err
	}
	e.report.Add(r.Added(fmt.Sprintf("overhead.p50.http-%d", size), "us",
		fmt.Sprintf("empty handler %s us, the model's 10 us included, 1 client", judge.Number(r.B))))
	return nil
}

// httpAllocs counts the allocations of the server per request, less those of a
// request to the empty handler. Both are means over the whole server process, so
// the result is rounded to a tenth.
func httpAllocs(ctx context.Context, e *env, s *server) error {
	allocsPerRequest := func(addr string, n int) (float64, error) {
		before, err := s.mallocs(ctx)
		if err != nil {
			return 0, err
		}
		if _, err := send(ctx, addr, modelFor(256), 256, 1, time.Minute, n); err != nil {
			return 0, err
		}
		after, err := s.mallocs(ctx)
		return float64(after-before) / float64(n), err
	}
	var got [2]float64
	for i, addr := range []string{s.Predict, s.Empty} {
		if _, err := allocsPerRequest(addr, 200); err != nil { // fills the pools
			return err
		}
		var err error
		if got[i], err = allocsPerRequest(addr, e.budget.calls); err != nil {
			return err
		}
	}
	e.report.Add(judge.Figure{
		Name: "overhead.allocs.http", Value: math.Round(10*(got[0]-got[1])) / 10, Unit: "count",
		Detail: fmt.Sprintf("%.1f a request, empty handler %.1f, 256 B, %d requests each", got[0], got[1], e.budget.calls),
	})
	return nil
}

// httpRate compares the requests per second of a model and the empty handler.
func httpRate(ctx context.Context, e *env, s *server, name, model string) error {
	var batches batchMean
	rate := func(addr string) judge.Block {
		return func(ctx context.Context, d time.Duration) (float64, error) {
			res, err := send(ctx, addr, model, 256, clients, d, 0)
			if err != nil {
				return 0, err
			}
			batches.add(res.Samples)
			return float64(len(res.Samples)) / res.Seconds, nil
		}
	}
	r, err := judge.Paired(ctx, e.plan(s.watch()), rate(s.Predict), rate(s.Empty))
	if err != nil {
		return err
	}
	e.report.Add(r.Figure(name, fmt.Sprintf("%.0f/s of %.0f/s, mean batch %s of at most %d, %d clients on the same machine",
		r.A, r.B, judge.Number(batches.mean()), clients, clients)))
	return nil
}

// batchMean is the mean size of the batches of requests.
type batchMean struct{ requests, batches float64 }

// add counts a request in a batch of n as 1/n of a batch.
func (f *batchMean) add(samples []load.Sample) {
	for _, s := range samples {
		if s.Batch > 0 {
			f.requests++
			f.batches += 1 / float64(s.Batch)
		}
	}
}

func (f *batchMean) mean() float64 { return f.requests / f.batches }

// maxSendTime limits how long send retries on a machine that is too busy to answer.
const maxSendTime = time.Minute

// send sends requests to addr from the given number of clients for d, or until n
// requests are sent. It fails if a request fails. If there is no answer in that
// time, because the machine is busy, it retries with a longer time.
func send(ctx context.Context, addr, model string, size, clients int, d time.Duration, n int) (load.Result, error) {
	res, err := load.Run(ctx, load.Config{
		Addr: addr, Path: "/predictions/" + model,
		Header: [][2]string{{"Accept", handler.TypeRaw}},
		Bodies: []load.Body{{Type: handler.TypeRaw, Data: make([]byte, size)}},
		Spec:   load.Spec{Mode: load.Closed, Concurrency: clients},
		Limit:  d, Max: n,
	})
	if err != nil {
		return load.Result{}, err
	}
	if len(res.Samples) == 0 && 4*d <= maxSendTime {
		return send(ctx, addr, model, size, clients, 4*d, n)
	}
	if err := requestError(res); err != nil {
		return load.Result{}, fmt.Errorf("%s: %w", model, err)
	}
	return res, nil
}

// loadBody is a body of the handler for the load generator.
func loadBody(b handler.Body) load.Body { return load.Body{Type: b.Type, Data: b.Data} }
