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

// clients is how many of them send at once where requests per second count, as
// many as the largest batch takes.
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

// httpP50 compares one client of a model with one of the empty handler. The
// model's own 10 us are in it.
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
	r, err := judge.Paired(ctx, e.plan(s.noise()), p50(s.Predict, modelFor(size)), p50(s.Empty, modelFor(size)))
	if err != nil {
		return err
	}
	e.report.Add(r.Added(fmt.Sprintf("overhead.p50.http-%d", size), "us",
		fmt.Sprintf("empty handler %s us, the model's 10 us included, 1 client", judge.Number(r.B))))
	return nil
}

// httpAllocs counts what a request makes the server allocate beyond what the
// same request makes it allocate for the empty handler. Both are means over the
// whole server process, so a tenth is what they are good for.
func httpAllocs(ctx context.Context, e *env, s *server) error {
	per := func(addr string, n int) (float64, error) {
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
		if _, err := per(addr, 200); err != nil { // fills the pools
			return err
		}
		var err error
		if got[i], err = per(addr, e.budget.count); err != nil {
			return err
		}
	}
	e.report.Add(judge.Figure{
		Name: "overhead.allocs.http", Value: math.Round(10*(got[0]-got[1])) / 10, Unit: "count",
		Detail: fmt.Sprintf("%.1f a request, empty handler %.1f, 256 B, %d requests each", got[0], got[1], e.budget.count),
	})
	return nil
}

// httpRate compares the requests per second of a model and the empty handler.
func httpRate(ctx context.Context, e *env, s *server, name, model string) error {
	var formed formation
	rate := func(addr string) judge.Block {
		return func(ctx context.Context, d time.Duration) (float64, error) {
			res, err := send(ctx, addr, model, 256, clients, d, 0)
			if err != nil {
				return 0, err
			}
			formed.add(res.Samples)
			return float64(len(res.Samples)) / res.Seconds, nil
		}
	}
	r, err := judge.Paired(ctx, e.plan(s.noise()), rate(s.Predict), rate(s.Empty))
	if err != nil {
		return err
	}
	e.report.Add(r.Figure(name, fmt.Sprintf("%.0f/s of %.0f/s, mean batch %s of at most %d, %d clients on the same machine",
		r.A, r.B, judge.Number(formed.mean()), clients, clients)))
	return nil
}

// formation is the batches that requests rode in.
type formation struct{ requests, batches float64 }

// add counts a request in a batch of n as an n-th of a batch.
func (f *formation) add(samples []load.Sample) {
	for _, s := range samples {
		if s.Batch > 0 {
			f.requests++
			f.batches += 1 / float64(s.Batch)
		}
	}
}

func (f *formation) mean() float64 { return f.requests / f.batches }

// longestSend is how long send goes on trying on a machine that is too busy to answer.
const longestSend = time.Minute

// send loads addr with so many clients for d, or until n requests are sent. All
// of them have to succeed. Where a busy machine answers nothing in that time it is
// done again, for longer.
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
	if len(res.Samples) == 0 && 4*d <= longestSend {
		return send(ctx, addr, model, size, clients, 4*d, n)
	}
	if t := load.Count(res.Samples); t.OK != len(res.Samples) || t.OK == 0 {
		return load.Result{}, fmt.Errorf("%s: %d of %d requests failed: status %v %s",
			model, len(res.Samples)-t.OK, len(res.Samples), t.Status, res.Err)
	}
	return res, nil
}
