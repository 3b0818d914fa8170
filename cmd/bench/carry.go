package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/servercost"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

// carryBudget is how much the set measures.
type carryBudget struct {
	settings  []knob.Settings
	passes    int           // over all settings, one after the other: what two agree in bounds what a prediction can
	block     time.Duration // of one side at one setting
	rounds    int           // undisturbed ones of each pass, of two blocks of each side
	maxRounds int           // all of each pass
	step      time.Duration // of one load of the probe
	probe     time.Duration // of all its loads
}

func (b budget) carry() carryBudget {
	if b.mode == full.mode {
		return carryBudget{settings: carrySettings(), passes: 2, block: 600 * time.Millisecond, rounds: 2, maxRounds: 3, step: time.Second, probe: time.Minute}
	}
	var few []knob.Settings
	for _, s := range carrySettings() {
		if s.BatchSize != 2 && (s.BatchSize == 1 || s.BatchDelay > time.Millisecond) {
			few = append(few, s)
		}
	}
	return carryBudget{settings: few, passes: 1, block: 250 * time.Millisecond, rounds: 1, maxRounds: 2, step: 400 * time.Millisecond, probe: 50 * time.Second}
}

// measureCarry measures each model at the same settings on our engine and on a real TorchServe, and
// compares the choices for it: that of our engine's figures, and that of the prediction with the
// cost that a probe of the TorchServe finds.
func measureCarry(ctx context.Context, e *env) (err error) {
	venv, store, err := torchServeFolders()
	if err != nil {
		return err
	}
	defer os.RemoveAll(store)
	server, err := startTorchServe(ctx, e, venv, store, "", 200*time.Millisecond)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	for _, name := range []string{modelMLP, modelCNN} {
		if !e.wants(name) {
			continue
		}
		m, err := writeModel(ctx, name, store)
		if err == nil {
			err = carryModelFigures(ctx, e, server, m)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// carrySettings are the settings: workers x batch size, with a short and a long delay where the batch
// has one.
func carrySettings() []knob.Settings {
	var out []knob.Settings
	for _, b := range []int{1, 2, 4, 8} {
		for _, d := range []time.Duration{time.Millisecond, 10 * time.Millisecond} {
			if b <= 2 && d > time.Millisecond {
				continue // the delay has no effect, or hardly any
			}
			for _, w := range []int{2, 1} {
				s := knob.Default(knob.TorchServe)
				s.Workers, s.BatchSize, s.BatchDelay = w, b, d
				out = append(out, s)
			}
		}
	}
	return out
}

// carrySides are the two servers with one model.
type carrySides struct {
	e          *env
	own, other sweep.Target
	current    knob.Settings     // of the TorchServe
	probed     judge.Disturbance // while the base of the predictions was measured
}

// carryModelFigures adds the figures of one model.
func carryModelFigures(ctx context.Context, e *env, server *torchServe, m comparedModel) (err error) {
	var bodies []load.Body
	for _, b := range handler.Bodies(m.inputs, comparedClients, e.seed) {
		bodies = append(bodies, loadBody(b))
	}
	if err := server.register(ctx, m.archive, m.name, carrySettings()[0]); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.unregister(context.WithoutCancel(ctx), m.name)) }()
	own, err := local.Start(ctx, local.Config{
		Command: []string{e.self, engineCommand, m.onnx}, Env: os.Environ(), Log: e.stderr, Seed: e.seed, Bodies: bodies,
		Start: knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.Close(context.WithoutCancel(ctx))) }()
	other, err := torchserve.Open(ctx, torchserve.Config{
		Management: []string{server.management}, Inference: server.inference, Model: m.name, Bodies: bodies, Cores: e.cores, Seed: e.seed,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close(context.WithoutCancel(ctx))) }()
	info, err := other.Info(ctx)
	if err != nil {
		return err
	}
	c := carrySides{e: e, own: own, other: other, current: info.Current}
	watch := watchDescendants()
	watch()
	service, err := c.serviceTimes(ctx)
	if err != nil {
		return err
	}
	fitted, err := c.probe(ctx, m, service)
	if err != nil {
		return err
	}
	c.probed = watch()
	b := e.budget.carry()
	predicted, err := fitted.Predict(b.settings, servercost.Load{Clients: comparedClients, Requests: 6000, Seed: e.seed}, servercost.Promise{Q: .99})
	if err != nil {
		return err
	}
	rows := newCarryRows(b.settings, predicted)
	for pass := range b.passes {
		for i := range rows {
			if pass%2 == 1 { // the other way round, so that a steady drift of the machine does not order the settings
				i = len(rows) - 1 - i
			}
			if err := c.measureRow(ctx, &rows[i], pass); err != nil {
				return err
			}
		}
	}
	return c.report(m, rows, predicted[0].Settings)
}

// carrySLA is of no effect: it only has the percentile that is measured.
func carrySLA() trial.SLA { return trial.SLA{Percentile: 99, Limit: 10 * time.Second} }

// serviceTimes measures the times of full batches of one worker of our engine.
func (c carrySides) serviceTimes(ctx context.Context) (servicetime.Curve, error) {
	key := servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"}
	var rows []servicetime.Row
	for _, b := range []int{1, 2, 4, 8} {
		s := knob.Default(knob.TorchServe)
		s.BatchSize, s.BatchDelay = b, 10*time.Millisecond
		if _, err := c.own.Apply(ctx, s); err != nil {
			return servicetime.Curve{}, err
		}
		r, err := c.measure(ctx, c.own, max(2, b*3/2), 2*c.e.budget.carry().step)
		if err != nil {
			return servicetime.Curve{}, err
		}
		ms, ok := r.Model.P50.Get()
		if !ok {
			return servicetime.Curve{}, errors.New("our engine reports no execution times")
		}
		rows = append(rows, servicetime.Row{Key: key, Batch: b, Median: time.Duration(ms * float64(time.Millisecond))})
		fmt.Fprintf(c.e.stderr, "carry: a batch of %d takes our engine %.3f ms\n", b, ms)
	}
	table, err := servicetime.New(rows)
	if err != nil {
		return servicetime.Curve{}, err
	}
	return table.Curve(key)
}

// probe measures the cost of the TorchServe and adds its figures.
func (c carrySides) probe(ctx context.Context, m comparedModel, service servicetime.Curve) (servercost.Fitted, error) {
	begin, b := time.Now(), c.e.budget.carry()
	points := slices.Clone(b.settings)
	for i := range points {
		points[i].QueueSize = c.current.QueueSize
	}
	probes, err := sweep.ServerProbe{Target: c.other, Points: points, Time: b.probe, Step: b.step, SLA: carrySLA(), Seed: c.e.seed}.Run(ctx)
	if err != nil {
		return servercost.Fitted{}, err
	}
	took := time.Since(begin)
	f, err := servercost.Fit(service, c.e.cores, probes)
	if err != nil {
		return f, err
	}
	for _, p := range probes {
		fmt.Fprintf(c.e.stderr, "carry: %s: probe of %s with %d clients: %.1f/s, standard error %.1f%%, P99 %.1f ms\n", m.name, settingsName(p.Settings), p.Clients, p.Rate, 100*p.Error, p.P99)
	}
	c.e.report.Add(judge.Figure{Name: "carry.probe." + m.name, Value: took.Seconds(), Unit: "s", Detail: fmt.Sprintf("%d loads, the simulation differs from them by %s%%", f.Probes, judge.Number(100*(math.Exp(f.Residual)-1)))})
	for _, v := range []struct {
		name string
		cost servercost.Interval
	}{{"batch", f.Batch}, {"request", f.Request}} {
		c.e.report.Add(judge.Figure{
			Name: "carry.cost." + m.name + "." + v.name, Value: v.cost.Value, Unit: "ms",
			Detail: fmt.Sprintf("95%% %s to %s, more than our engine's execution", judge.Number(v.cost.Low), judge.Number(v.cost.High)),
		})
	}
	return f, nil
}

// carryAnswers is how many answers a block needs: with fewer, as of the slowest settings, it has no throughput.
const carryAnswers = 200

// measure sends a closed load to a side for a time, or for longer until it has enough answers.
func (c carrySides) measure(ctx context.Context, t sweep.Target, clients int, d time.Duration) (trial.Result, error) {
	return t.Measure(ctx, sweep.Measurement{
		Load: load.Spec{Mode: load.Closed, Concurrency: clients}, Seed: c.e.seed, SLA: carrySLA(), Time: 10 * d,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			return elapsed >= d && len(samples) >= carryAnswers, ""
		},
	})
}
