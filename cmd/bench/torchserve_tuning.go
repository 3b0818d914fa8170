package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

// partTuning is the part of the set that compares the times of tuning.
const partTuning = "tuning"

// tuningSLA is the promise of the sweep. The suite has none, so it is one that most settings keep.
func tuningSLA() trial.SLA { return trial.SLA{Percentile: 99, Limit: time.Second} }

// tuningPlan is a sweep over as many settings as the suite's grid has points, under the load of the suite.
func tuningPlan(model string, budget time.Duration, seed uint64) plan.Plan {
	p := plan.Default()
	p.Model, p.Target, p.Strategy, p.Seed, p.SLA = model, "http://127.0.0.1", "auto", seed, tuningSLA()
	p.Loads = []load.Spec{{Mode: load.Closed, Concurrency: suiteClients}}
	p.Budget.Time = budget
	p.Knobs = map[knob.Name]string{ // 4 x 6 x 12
		knob.Workers: "1-4", knob.BatchSize: "1,2,4,8,16,32", knob.BatchDelay: "1,2,3,5,7,10,15,20,30,50,70,100",
	}
	return p
}

// measureTuning compares the time in which a sweep finds the best settings of TorchServe with that of its
// benchmark suite, and the choice with the best others that were measured.
func measureTuning(ctx context.Context, e *env, b torchServeBudget, venv, store string) (err error) {
	m, err := writeModel(ctx, modelCNN, store)
	if err != nil {
		return err
	}
	var bodies []load.Body
	for _, body := range handler.Bodies(m.inputs, suiteClients, e.seed) {
		bodies = append(bodies, loadBody(body))
	}
	points, point, err := measureSuite(ctx, newSuite(e, venv, store, m, bodies[0], b.requests), b.points)
	if err != nil {
		return err
	}
	e.report.Add(point)
	server, err := startTorchServe(ctx, e, venv, store, fmt.Sprintf("job_queue_size=%d\n", serverQueue), 200*time.Millisecond)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	if err := server.register(ctx, m.archive, m.name, suiteSettings(1)[0]); err != nil {
		return err
	}
	target, err := torchserve.Open(ctx, torchserve.Config{
		Management: []string{server.management}, Inference: server.inference, Model: m.name, Bodies: bodies, Seed: e.seed, Cores: e.cores,
	})
	if err != nil {
		return err
	}
	begin := time.Now()
	st, _, err := sweepAll(ctx, tuningPlan(m.name, b.sweep, e.seed), target)
	if err != nil {
		return err
	}
	if st.Choice == nil { // on a busy machine
		addWithoutChoice(e.report, len(st.Trials))
		return nil
	}
	e.report.Add(speedup(point, time.Since(begin)))
	return compareChoice(ctx, e, b, target, st, points)
}

// addWithoutChoice adds the figures of a sweep that found no setting that keeps the promise. They are undecided.
func addWithoutChoice(report *judge.Report, trials int) {
	for _, name := range []string{"torchserve.tuning", "torchserve.choice"} {
		iv := openInterval(math.NaN())
		report.Add(judge.Figure{
			Name: name, Value: math.NaN(), Unit: "ratio", Interval: &iv, Detail: fmt.Sprintf("no setting of %d trials certainly kept the promise", trials),
		})
	}
}

// otherSettings returns the best measured settings other than the choice, at most n: of the sweep those that
// kept the promise, and the points of the suite.
func otherSettings(st session.Sweep, points []suitePoint, n int) []knob.Settings {
	type measured struct {
		settings knob.Settings
		rate     float64
	}
	var all []measured
	for _, t := range st.Trials {
		if t.Role == trial.RoleLoad && t.Verdict.Result == trial.Pass {
			all = append(all, measured{t.Settings, t.Throughput.Value.Or(math.NaN())})
		}
	}
	for _, p := range points {
		of := st.Choice.Settings // with the values of what is not varied
		of.Workers, of.BatchSize, of.BatchDelay = p.settings.Workers, p.settings.BatchSize, p.settings.BatchDelay
		all = append(all, measured{of, p.rate})
	}
	all = slices.DeleteFunc(all, func(m measured) bool { return math.IsNaN(m.rate) || m.settings == st.Choice.Settings })
	slices.SortStableFunc(all, func(a, b measured) int { return cmp.Compare(b.rate, a.rate) })
	var out []knob.Settings
	for _, m := range all {
		if !slices.Contains(out, m.settings) {
			out = append(out, m.settings)
		}
	}
	return out[:min(n, len(out))]
}

// compareChoice measures the choice in turns with the best other settings. The figure is that of the other
// settings that do best against it.
func compareChoice(ctx context.Context, e *env, b torchServeBudget, target sweep.Target, st session.Sweep, points []suitePoint) error {
	others := otherSettings(st, points, b.others)
	if len(others) == 0 {
		return errors.New("no other settings were measured")
	}
	choice := plan.Point{Settings: st.Choice.Settings, Load: st.Trials[st.Best].Load}
	var worst judge.Figure
	for i, o := range others {
		d, err := sweep.Comparison{
			Target: target, A: plan.Point{Settings: o, Load: choice.Load}, B: choice, SLA: tuningSLA(),
			Pairs: b.pairs, MinBlock: b.block, Seed: validationSeed + e.seed<<8 + uint64(i),
		}.Run(ctx)
		if err != nil {
			return err
		}
		f := judge.Figure{
			Name: "torchserve.choice", Value: d.Throughput.Value, Unit: "ratio", Interval: &d.Throughput, AA: &d.ThroughputAA,
			Detail: fmt.Sprintf("%d pairs, %s/s at %s, %s/s at %s, the best of %d others that were measured, P99 %s and %s ms",
				d.Pairs, judge.Number(d.B.RPS), settingsName(choice.Settings), judge.Number(d.A.RPS), settingsName(o), len(others),
				judge.Number(d.B.PercentileMS), judge.Number(d.A.PercentileMS)),
		}
		if i == 0 || f.Value < worst.Value {
			worst = f
		}
	}
	e.report.Add(worst)
	return nil
}
