package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/sweep/load"
)

// emptyTraffic is the traffic of clients whose requests an empty handler of another process answers. A model that is run
// beside it has the machine that the model of a server without any cost of its own would have.
type emptyTraffic struct {
	server  *server
	clients load.Config
}

// startEmptyTraffic starts the process of the handler. The clients send at a constant rate.
func startEmptyTraffic(ctx context.Context, e *env, bodies []load.Body) (*emptyTraffic, error) {
	s, err := startServer(ctx, e)
	if err != nil {
		return nil, err
	}
	c, err := load.Endpoint{URL: "http://" + s.Empty + "/", Bodies: bodies}.Config(load.Spec{Mode: load.Open, Arrivals: load.Constant})
	if err != nil {
		return nil, s.stop(err)
	}
	return &emptyTraffic{s, c}, nil
}

// during sends rate requests per second until measure returns.
func (t *emptyTraffic) during(ctx context.Context, rate float64, measure func() error) error {
	const check = 20 * time.Millisecond
	var measured atomic.Bool
	c := t.clients
	c.Spec.Rate, c.Limit, c.Block = rate, time.Minute, check
	c.OnBlock = func(time.Duration, []load.Sample) bool { return measured.Load() }
	var res load.Result
	sent := make(chan error, 1)
	go func() {
		var err error
		res, err = load.Run(ctx, c)
		sent <- err
	}()
	err := measure()
	measured.Store(true)
	if err = errors.Join(err, <-sent); err != nil {
		return err
	}
	if err := requestError(res); err != nil {
		return fmt.Errorf("the empty handler: %w", err)
	}
	return nil
}

// measureBeside adds how much slower the bare loop is while the same traffic as in http goes to an empty handler, and the
// rate over HTTP as a share of that loop's. of has the rates of both before.
func (srv *modelServer) measureBeside(ctx context.Context, e *env, o openedModel, name string, http judge.Block, of judge.Ratio) (err error) {
	if name != "encoder" {
		return nil // the runs of the others are so long that there is little traffic
	}
	var bodies []load.Body
	for _, b := range handler.Bodies(o.Inputs, 2*o.Batch, e.seed) {
		bodies = append(bodies, loadBody(b))
	}
	t, err := startEmptyTraffic(ctx, e, bodies)
	if err != nil {
		return err
	}
	defer func() { err = t.server.stop(err) }()
	bare := func(ctx context.Context, d time.Duration) (float64, error) {
		var r blockResult
		err := srv.get(ctx, "/bare", url.Values{"model": {o.Name}, "for": {d.String()}}, &r)
		return r.Rate, err
	}
	beside := func(ctx context.Context, d time.Duration) (items float64, err error) {
		err = t.during(ctx, of.A, func() (err error) {
			items, err = bare(ctx, d)
			return err
		})
		return items, err
	}
	p := e.ratePlan(watchDisturbance(os.Getpid(), srv.cmd.Process.Pid, t.server.cmd.Process.Pid))
	share, err := judge.Paired(ctx, p, http, beside)
	if err != nil {
		return err
	}
	traffic := fmt.Sprintf("bare runs beside %s requests/s to an empty handler", judge.Number(of.A))
	e.report.Add(judge.Figure{
		Name: "serve.beside." + name, Value: share.B / of.B, Unit: "ratio",
		Detail: fmt.Sprintf("%s/s of %s, %s/s alone", judge.Number(share.B), traffic, judge.Number(of.B)),
	})
	e.report.Add(share.Figure("serve.rate-beside."+name, fmt.Sprintf("%s/s of %s/s of %s", judge.Number(share.A), judge.Number(share.B), traffic)))
	return nil
}
