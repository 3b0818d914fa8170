package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"sweetspot/engine/lengths"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// policyResult is a block of one way to build batches.
type policyResult struct {
	Rate float64   `json:"rate"`
	MS   []float64 `json:"ms"` // latencies
	Runs float64   `json:"runs_per_batch"`
}

// policyQueue has texts that wait, oldest first, and one worker that runs them. It builds
// batches of the oldest texts, or of the oldest text and those of its class: one open batch
// per class. Both share all other code, so that only this differs.
type policyQueue struct {
	byClass bool
	class   func(tensor.Item) int64

	mu      sync.Mutex
	arrived sync.Cond // of waiting and closed
	waiting []*policyText
	closed  bool
}

type policyText struct {
	item tensor.Item
	done chan error
}

// take removes the texts of the next batch from the queue; nil if it is closed.
func (p *policyQueue) take() []*policyText {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) == 0 {
		if p.closed {
			return nil
		}
		p.arrived.Wait()
	}
	var batch, rest []*policyText
	first := p.class(p.waiting[0].item)
	for _, t := range p.waiting {
		if len(batch) < lengthsBatch && (!p.byClass || p.class(t.item) == first) {
			batch = append(batch, t)
		} else {
			rest = append(rest, t)
		}
	}
	p.waiting = rest
	return batch
}

func (p *policyQueue) submit(item tensor.Item) error {
	t := &policyText{item, make(chan error, 1)}
	p.mu.Lock()
	p.waiting = append(p.waiting, t)
	p.mu.Unlock()
	p.arrived.Signal()
	return <-t.done
}

func (p *policyQueue) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.arrived.Signal()
}

// work runs batches until the queue is closed, and returns their number and that of their
// runs.
func (p *policyQueue) work(ctx context.Context, s *runs.Session) (batches, divided int) {
	count := func(all []runs.Run, _ runs.Work) { divided += len(all) }
	for batch := p.take(); batch != nil; batch = p.take() {
		in, out := make([]payload.Row, len(batch)), make([]payload.Result, len(batch))
		for i, t := range batch {
			in[i].Item = t.item
		}
		err := s.RunCounted(ctx, in, out, count)
		batches++
		for _, t := range batch {
			t.done <- err
		}
	}
	return batches, divided
}

// policy measures a block of closed load with the texts of the histogram: query model, by
// (batch or class), and for.
func (srv *lengthsServer) policy(ctx context.Context, q url.Values) (any, error) {
	d, err := time.ParseDuration(q.Get("for"))
	if err != nil {
		return nil, err
	}
	m := srv.models[q.Get("model")]
	if m == nil {
		return nil, errors.New("no such model")
	}
	session, err := srv.session(ctx, m)
	if err != nil {
		return nil, err
	}
	mix, err := newsMix()
	if err != nil {
		return nil, err
	}
	s, err := lengths.For(m.Inputs, map[string]lengths.Shape{"input_ids": {mix}}, nil)
	if err != nil {
		return nil, err
	}
	p := &policyQueue{byClass: q.Get("by") == "class", class: func(item tensor.Item) int64 { return classOf(m.Padding, item) }}
	p.arrived.L = &p.mu
	return p.measure(ctx, runs.NewSession(session, m.Inputs, m.SideInputs(), m.Padding), s, d)
}

// classOf is the length to which a text is padded.
func classOf(p *runs.Padding, item tensor.Item) int64 {
	n := item[0].Shape[0]
	if p == nil {
		return n
	}
	for _, b := range p.Buckets {
		if n <= b {
			return b
		}
	}
	return 0
}

// measure runs closed clients for d.
func (p *policyQueue) measure(ctx context.Context, s *runs.Session, texts lengths.Sampler, d time.Duration) (policyResult, error) {
	var batches, divided int
	var worker, clients sync.WaitGroup
	worker.Go(func() { batches, divided = p.work(ctx, s) })
	latencies, errs := make([][]float64, lengthsClients), make([]error, lengthsClients)
	begin := time.Now()
	for c := range lengthsClients {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 9))
			for errs[c] == nil && time.Since(begin) < d {
				start := time.Now()
				errs[c] = p.submit(texts.Item(rng))
				latencies[c] = append(latencies[c], time.Since(start).Seconds()*1e3)
			}
		})
	}
	clients.Wait()
	took := time.Since(begin)
	p.close()
	worker.Wait()
	var out policyResult
	for _, ms := range latencies {
		out.MS = append(out.MS, ms...)
	}
	out.Rate, out.Runs = float64(len(out.MS))/took.Seconds(), float64(divided)/float64(max(batches, 1))
	return out, errors.Join(errs...)
}
