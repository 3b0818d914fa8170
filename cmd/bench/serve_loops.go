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

// runBare runs full batches one behind the other, as fast as the session does.
func (l *lab) runBare(ctx context.Context, q url.Values) (any, error) {
	m, d, err := l.asked(q)
	if err != nil {
		return nil, err
	}
	return m.loop(ctx, d)
}

func (l *lab) asked(q url.Values) (*bared, time.Duration, error) {
	m, err := l.find(q)
	if err != nil {
		return nil, 0, err
	}
	d, err := time.ParseDuration(q.Get("for"))
	return m, d, err
}

// loop is the bare loop: nothing but runs.
func (b *bared) loop(ctx context.Context, d time.Duration) (turn, error) {
	out := make([]payload.Result, len(b.items))
	var running time.Duration
	runs := 0
	begin := time.Now()
	for now := begin; now.Sub(begin) < d; runs++ {
		if err := b.bare.Run(ctx, b.items, out); err != nil {
			return turn{}, err
		}
		end := time.Now()
		running += end.Sub(now)
		now = end
	}
	n := runs * len(b.items)
	return turn{
		RunNS: float64(running) / float64(runs), Rate: float64(n) / time.Since(begin).Seconds(), Full: n, All: n,
	}, nil
}

// runCallers lets two callers for each place in a batch submit, each as soon as
// it has its answer.
func (l *lab) runCallers(ctx context.Context, q url.Values) (any, error) {
	m, d, err := l.asked(q)
	if err != nil {
		return nil, err
	}
	size := len(m.items)
	before, begin := m.served.Stats(), time.Now()
	errs, parts := make([]error, 2*size), make([]tally, 2*size)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for time.Since(begin) < d && errs[i] == nil {
				var t engine.Timing
				_, t, errs[i] = m.served.Submit(ctx, m.items[i%size].Item)
				parts[i].add(t.Execution, t.Batch == size)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	var sum tally
	for _, p := range parts {
		sum.all, sum.full, sum.running = sum.all+p.all, sum.full+p.full, sum.running+p.running
	}
	return sum.turn(took, before, m.served.Stats()), errors.Join(errs...)
}

// tally counts requests by the batches they rode in.
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

// turn is the tally of a block of the engine, with what its counters say.
func (t *tally) turn(took time.Duration, before, after engine.Stats) turn {
	return turn{
		RunNS: float64(t.running) / float64(max(t.full, 1)), Rate: float64(t.all) / took.Seconds(),
		Full: t.full, All: t.all, BusyNS: after.BusyNS - before.BusyNS, WorkNS: after.WorkNS - before.WorkNS,
	}
}

// capacity is how many items a second the workers of the settings in the query,
// JSON as in the control API, bear: bare loops beside each other.
func (l *lab) capacity(ctx context.Context, q url.Values) (any, error) {
	m, d, err := l.asked(q)
	if err != nil {
		return nil, err
	}
	c := m.served.Config()
	if err := json.Unmarshal([]byte(q.Get("settings")), &c.Settings); err != nil {
		return nil, err
	}
	return l.borne(ctx, m, c, d)
}

func (l *lab) borne(ctx context.Context, m *bared, c knob.Config, d time.Duration) (sum turn, err error) {
	one := &bared{items: samples(m.served.Model(), c.BatchSize)}
	if one.bare, err = l.backend.Open(ctx, m.served.Model(), c); err != nil {
		return turn{}, fmt.Errorf("%s: %w", c.Settings, err)
	}
	defer func() { err = errors.Join(err, one.bare.Close()) }()
	if _, err = one.fastest(ctx); err != nil {
		return turn{}, err
	}
	turns, errs := make([]turn, c.Workers), make([]error, c.Workers)
	var wg sync.WaitGroup
	for i := range turns {
		wg.Go(func() { turns[i], errs[i] = one.loop(ctx, d) })
	}
	wg.Wait()
	for _, t := range turns {
		sum.Rate += t.Rate
	}
	return sum, errors.Join(errs...)
}
