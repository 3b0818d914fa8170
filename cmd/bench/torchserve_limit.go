package main

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"os"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// serverLimit measures what no server with the model can exceed on this machine: the rate of bare loops, one for each
// worker, beside the same clients, whose requests an empty handler of another process answers. A server without any cost
// of its own but those of an HTTP server would have that rate.
type serverLimit struct {
	bare     *modelServer // has the model
	model    openedModel
	traffic  *emptyTraffic
	settings knob.Settings
	sent     float64 // requests per second to the empty handler
}

// openLimit starts the processes of the limit of a model.
func openLimit(ctx context.Context, e *env, m comparedModel, s knob.Settings, bodies []load.Body, sent float64) (l *serverLimit, err error) {
	l = &serverLimit{settings: s, sent: sent}
	if l.bare, err = startModelServer(ctx, e); err != nil {
		return nil, err
	}
	err = l.bare.get(ctx, "/open", url.Values{"model": {m.name + "=" + m.onnx}, "batch": {"1"}, "min-run": {"0s"}}, &l.model)
	if err == nil {
		l.traffic, err = startEmptyTraffic(ctx, e, bodies)
	}
	if err != nil {
		return nil, l.bare.stop(err)
	}
	return l, nil
}

// close ends the processes.
func (l *serverLimit) close(err error) error { return l.traffic.server.stop(l.bare.stop(err)) }

// block measures the bare loops for about d. Its other metrics are unknown.
func (l *serverLimit) block(ctx context.Context, d time.Duration) ([]float64, error) {
	var rate float64
	err := l.traffic.during(ctx, l.sent, func() (err error) {
		rate, err = l.bare.capacityOf(ctx, l.model, l.settings, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]float64, metrics)
	for i := range out {
		out[i] = math.NaN()
	}
	out[metricRate] = rate
	return out, nil
}

// limitRounds is the factor of the rounds of the limit: a share has one setting, while the rates have all of them.
const limitRounds = 3

// addLimit adds the limit at the settings at which this program is fastest, as a multiple of the best rate of TorchServe,
// and the rate of this program as a share of it. best has the rates of both.
func (p *torchServePair) addLimit(ctx context.Context, e *env, b comparison, s knob.Settings, best judge.Ratio) error {
	l, err := openLimit(ctx, e, p.model, s, p.ours.load.Bodies, best.A)
	if err != nil {
		return err
	}
	n := limitRounds * b.rounds
	rounds, err := judge.MeasureRounds(ctx, judge.RoundsPlan{
		Rounds: n, MaxRounds: n + max(1, n/3), Length: b.block, Seed: e.seed,
		Watch: watchTrees(os.Getpid(), p.ours.procs, readTree(l.bare.cmd.Process.Pid), readTree(l.traffic.server.cmd.Process.Pid)),
	}, p.ours.block, l.block)
	if err = l.close(err); err != nil {
		return err
	}
	r := rounds.Ratio(metricRate, 0, 1, e.seed)
	how := fmt.Sprintf("%s/s of %d bare loops in batches of %d beside the clients at %s/s", judge.Number(r.B), s.Workers, s.BatchSize, judge.Number(best.A))
	e.report.Add(judge.Figure{Name: "torchserve.limit." + p.model.name, Value: r.B / best.B, Unit: "ratio", Detail: how + ", of TorchServe's " + judge.Number(best.B) + "/s"})
	e.report.Add(r.Figure("torchserve.share."+p.model.name, fmt.Sprintf("%s/s of %s", judge.Number(r.A), how)))
	return nil
}
