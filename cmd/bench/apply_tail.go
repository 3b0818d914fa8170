package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
)

// settleTime is left out behind the change that begins a steady stretch.
const settleTime = 500 * time.Millisecond

// span is a stretch of a run.
type span struct{ from, to time.Duration }

// tails compares the P99 of requests that were under way from the start of a
// change to a second after it with the larger P99 of the two settings that are
// changed between: by knobs that are hot, and by a worker that is warmed before
// it joins.
func (l *laboratory) tails(ctx context.Context, e *env, o opened, rate float64) error {
	from := plainSettings()
	from.BatchSize = 4
	hot, warm := from, from
	hot.BatchSize, hot.BatchDelay = 8, time.Millisecond
	warm.Workers = 2
	r, err := l.startRun(ctx, o, rate, e.seed)
	if err != nil {
		return err
	}
	b := e.budget.applies()
	var steady [3]span
	for i, s := range []knob.Settings{from, hot, warm} {
		if err == nil {
			steady[i], err = r.stay(ctx, l, o, s, b.steady)
		}
	}
	var changes [2][]span
	for kind, to := range []knob.Settings{hot, warm} {
		if err == nil {
			_, err = r.change(ctx, l, o, from, settleTime)
		}
		for i := 0; i < b.known && err == nil; i++ {
			var s span
			s, err = r.change(ctx, l, o, []knob.Settings{to, from}[i%2], b.after)
			changes[kind] = append(changes[kind], s)
		}
	}
	res, rerr := r.end()
	if err = errors.Join(err, rerr); err != nil {
		return err
	}
	if t := load.Count(res.Samples); t.OK != len(res.Samples) {
		return fmt.Errorf("%d of %d requests failed: status %v %s", len(res.Samples)-t.OK, len(res.Samples), t.Status, res.Err)
	}
	for kind, name := range []string{"apply.tail.hot", "apply.tail.warm"} {
		e.report.Add(tailFigure(name, res.Samples, []span{steady[0], steady[kind+1]}, changes[kind], rate))
	}
	return nil
}

// tailFigure is judged by the lower end: what is certain to be worse.
func tailFigure(name string, samples []load.Sample, steady, changes []span, rate float64) judge.Figure {
	p99 := func(in ...span) stat.Interval { return stat.Quantile(during(samples, in), .99) }
	larger := p99(steady[0])
	if other := p99(steady[1]); other.Value > larger.Value {
		larger = other
	}
	pooled := p99(changes...)
	return judge.Figure{
		Name: name, Value: pooled.Low / larger.High, Unit: "ratio",
		Detail: fmt.Sprintf("lower end, value %s, P99 of %d changes %s ms, steady %s ms, %.0f/s",
			judge.Number(pooled.Value/larger.Value), len(changes), judge.Number(pooled.Value), judge.Number(larger.Value), rate),
	}
}

// during is the latencies, in ms, of the requests under way in any of the spans.
func during(samples []load.Sample, in []span) []float64 {
	var out []float64
	for _, s := range samples {
		for _, w := range in {
			if s.Planned <= w.to && s.Planned+s.Latency >= w.from {
				out = append(out, s.Latency.Seconds()*1e3)
				break
			}
		}
	}
	return out
}

// openRun is an open load under which settings are changed.
type openRun struct {
	begin  time.Time // of the plan
	enough atomic.Bool
	done   chan struct{}
	res    load.Result
	err    error
}

// startRun begins to load the model.
func (l *laboratory) startRun(ctx context.Context, o opened, rate float64, seed uint64) (*openRun, error) {
	r := &openRun{done: make(chan struct{})}
	began := make(chan time.Time, 1)
	c := load.Config{
		Addr: l.Predict, Path: "/predictions/" + o.Name, Header: [][2]string{{"Accept", handler.TypeRaw}},
		Spec: load.Spec{Mode: load.Open, Rate: rate}, Seed: seed, Limit: full.limit, Block: 50 * time.Millisecond,
		OnBlock: func(elapsed time.Duration, _ []load.Sample) bool {
			select {
			case began <- time.Now().Add(-elapsed):
			default:
			}
			return r.enough.Load()
		},
	}
	for _, b := range handler.Bodies(o.Inputs, identityCount, seed) {
		c.Bodies = append(c.Bodies, load.Body(b))
	}
	go func() {
		defer close(r.done)
		r.res, r.err = load.Run(ctx, c)
	}()
	select {
	case r.begin = <-began:
		return r, nil
	case <-r.done:
		return nil, r.err
	}
}

// end stops sending and waits for the answers.
func (r *openRun) end() (load.Result, error) {
	r.enough.Store(true)
	<-r.done
	return r.res, r.err
}

// stay puts s in force and gives the stretch of d that follows once it has
// settled.
func (r *openRun) stay(ctx context.Context, l *laboratory, o opened, s knob.Settings, d time.Duration) (span, error) {
	if _, err := r.change(ctx, l, o, s, settleTime); err != nil {
		return span{}, err
	}
	from := time.Since(r.begin)
	return span{from, from + d}, pause(ctx, d)
}

// change puts s in force and gives the stretch from there to a while after it.
func (r *openRun) change(ctx context.Context, l *laboratory, o opened, s knob.Settings, after time.Duration) (span, error) {
	from := time.Since(r.begin)
	if err := l.apply(ctx, o.Name, s); err != nil {
		return span{}, err
	}
	to := time.Since(r.begin) + after
	return span{from, to}, pause(ctx, after)
}

// pause sleeps for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
