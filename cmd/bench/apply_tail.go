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

// skipAfterChange is the time between a change and the steady time measured after
// it.
const skipAfterChange = 500 * time.Millisecond

// timeSpan is a part of a run, from its start.
type timeSpan struct{ from, to time.Duration }

// measureTails compares the P99 of requests in flight from the start of a change to
// a second after it with the larger P99 of the two settings. One kind of change is
// of hot knobs, the other adds a worker, which is warmed up before it takes batches.
func (srv *modelServer) measureTails(ctx context.Context, e *env, o openedModel, rate float64) error {
	from := baseSettings()
	from.BatchSize = 4
	hot, warm := from, from
	hot.BatchSize, hot.BatchDelay = 8, time.Millisecond
	warm.Workers = 2
	r, err := srv.startRun(ctx, o, rate, e.seed)
	if err != nil {
		return err
	}
	b := e.budget.applies()
	var steady [3]timeSpan
	for i, s := range []knob.Settings{from, hot, warm} {
		if err == nil {
			steady[i], err = r.measureSteady(ctx, srv, o, s, b.steady)
		}
	}
	var changes [2][]timeSpan
	for kind, to := range []knob.Settings{hot, warm} {
		if err == nil {
			_, err = r.applyAndWait(ctx, srv, o, from, skipAfterChange)
		}
		for i := 0; i < b.pairChanges && err == nil; i++ {
			var s timeSpan
			s, err = r.applyAndWait(ctx, srv, o, []knob.Settings{to, from}[i%2], b.after)
			changes[kind] = append(changes[kind], s)
		}
	}
	res, runErr := r.stop()
	if err = errors.Join(err, runErr); err != nil {
		return err
	}
	if err := requestError(res); err != nil {
		return err
	}
	for kind, name := range []string{"apply.tail.hot", "apply.tail.warm"} {
		e.report.Add(tailFigure(name, res.Samples, []timeSpan{steady[0], steady[kind+1]}, changes[kind], rate))
	}
	return nil
}

// tailFigure is judged by the lower end of the ratio.
func tailFigure(name string, samples []load.Sample, steady, changes []timeSpan, rate float64) judge.Figure {
	p99 := func(in ...timeSpan) stat.Interval { return stat.Quantile(latenciesDuring(samples, in), .99) }
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

// latenciesDuring returns the latencies, in ms, of the requests in flight during
// any of the spans.
func latenciesDuring(samples []load.Sample, in []timeSpan) []float64 {
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

// loadRun is an open load during which settings are changed.
type loadRun struct {
	begin    time.Time // of the plan
	stopping atomic.Bool
	done     chan struct{}
	res      load.Result
	err      error
}

// startRun starts the load.
func (srv *modelServer) startRun(ctx context.Context, o openedModel, rate float64, seed uint64) (*loadRun, error) {
	r := &loadRun{done: make(chan struct{})}
	begin := make(chan time.Time, 1)
	c := load.Config{
		Addr: srv.Predict, Path: "/predictions/" + o.Name, Header: [][2]string{{"Accept", handler.TypeRaw}},
		Spec: load.Spec{Mode: load.Open, Rate: rate}, Seed: seed, Limit: full.limit, Block: 50 * time.Millisecond,
		OnBlock: func(elapsed time.Duration, _ []load.Sample) bool {
			select {
			case begin <- time.Now().Add(-elapsed):
			default:
			}
			return r.stopping.Load()
		},
	}
	for _, b := range handler.Bodies(o.Inputs, payloadCount, seed) {
		c.Bodies = append(c.Bodies, loadBody(b))
	}
	go func() {
		defer close(r.done)
		r.res, r.err = load.Run(ctx, c)
	}()
	select {
	case r.begin = <-begin:
		return r, nil
	case <-r.done:
		return nil, r.err
	}
}

// stop ends sending and waits for the answers.
func (r *loadRun) stop() (load.Result, error) {
	r.stopping.Store(true)
	<-r.done
	return r.res, r.err
}

// measureSteady applies s and returns the span of d that begins skipAfterChange
// after it.
func (r *loadRun) measureSteady(ctx context.Context, srv *modelServer, o openedModel, s knob.Settings, d time.Duration) (timeSpan, error) {
	if _, err := r.applyAndWait(ctx, srv, o, s, skipAfterChange); err != nil {
		return timeSpan{}, err
	}
	from := time.Since(r.begin)
	return timeSpan{from, from + d}, sleep(ctx, d)
}

// applyAndWait applies s and returns the span from the start of the change to after
// its end.
func (r *loadRun) applyAndWait(ctx context.Context, srv *modelServer, o openedModel, s knob.Settings, after time.Duration) (timeSpan, error) {
	from := time.Since(r.begin)
	if err := srv.apply(ctx, o.Name, s); err != nil {
		return timeSpan{}, err
	}
	to := time.Since(r.begin) + after
	return timeSpan{from, to}, sleep(ctx, after)
}

// sleep sleeps for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
