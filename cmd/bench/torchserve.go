package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/torchserve"
)

// comparison is how long two servers with the same archive are compared.
type comparison struct {
	settings []knob.Settings // compared at the same settings
	rounds   int             // of four blocks, for each of them
	block    time.Duration
}

// torchServeBudget is how much the set runs.
type torchServeBudget struct {
	comparison
	python   comparison    // with an archive whose handler is in Python
	points   int           // of the benchmark suite
	requests int           // of a point
	sweep    time.Duration // longest sweep of TorchServe
	pairs    int           // of the choice with each of the others
	others   int           // the best other settings that the choice is compared with
}

// comparedClients is the load of the comparisons of servers.
const comparedClients = 10

func (b budget) torchServe() torchServeBudget {
	set := func(workers, batch, delay int) knob.Settings {
		s := knob.Default(knob.TorchServe)
		s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = workers, batch, time.Duration(delay)*time.Millisecond, serverQueue
		return s
	}
	all := []knob.Settings{
		set(1, 1, 1), set(1, 4, 1), set(2, 4, 10), set(2, 1, 1), set(1, 4, 10), set(2, 4, 1), set(1, 8, 5), set(2, 8, 5),
	}
	// A P99 needs 100 answers, and this handler takes some ms for each.
	python := []knob.Settings{set(1, 1, 1), set(1, 4, 10), set(2, 4, 10)}
	switch b.mode {
	case full.mode:
		return torchServeBudget{
			comparison{all, 4, 700 * time.Millisecond}, comparison{python, 8, 2500 * time.Millisecond}, 6, 10_000, time.Minute, 12, 3,
		}
	case quick.mode:
		return torchServeBudget{
			comparison{all[:3], 3, 500 * time.Millisecond}, comparison{python[:2], 4, 2 * time.Second}, 3, 10_000, 30 * time.Second, 6, 1,
		}
	}
	return torchServeBudget{
		comparison{all[:1], 1, 300 * time.Millisecond}, comparison{python[:1], 1, 300 * time.Millisecond}, 1, 200, 5 * time.Second, 1, 1,
	}
}

// measureTorchServe compares this program with a real TorchServe that has the same archives: both under the same load, then
// the time in which each finds its best settings.
func measureTorchServe(ctx context.Context, e *env) (err error) {
	venv, store, err := torchServeFolders()
	if err != nil {
		return err
	}
	defer os.RemoveAll(store)
	b := e.budget.torchServe()
	server, err := startTorchServe(ctx, e, venv, store, fmt.Sprintf("job_queue_size=%d\n", serverQueue), 200*time.Millisecond)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	for _, name := range []string{modelMLP, modelCNN, modelSmall} {
		if !e.wants(name) {
			continue
		}
		if err := compareModel(ctx, e, b, server, name, store); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := server.terminate(ctx); err != nil {
		return err
	}
	if e.wants(modelClassifier) {
		if err := measureTorchServePython(ctx, e); err != nil {
			return err
		}
	}
	if !e.wants(partTuning) {
		return nil
	}
	return measureTuning(ctx, e, b, venv, store)
}

// compareModel compares both with one of the models of onnxruntime.
func compareModel(ctx context.Context, e *env, b torchServeBudget, server *torchServe, name, store string) (err error) {
	m, err := writeModel(ctx, name, store)
	if err != nil {
		return err
	}
	var bodies []load.Body
	for _, b := range handler.Bodies(m.inputs, comparedClients, e.seed) {
		bodies = append(bodies, loadBody(b))
	}
	p, err := openPair(ctx, e, server, m, bodies)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close(ctx, server)) }()
	rounds, err := p.compare(ctx, e, b.comparison)
	if err != nil {
		return err
	}
	return p.compareBest(ctx, e, b.comparison, rounds)
}

// torchServePair is a model behind this program and behind TorchServe.
type torchServePair struct {
	model        comparedModel
	runMS        float64
	ours, theirs *comparedServer
	engine       *modelServer
	target       *torchserve.Target
}

// close ends this program's server, and removes the model from the other. The target is not closed: it would restore settings
// of a model that is removed.
func (p *torchServePair) close(ctx context.Context, server *torchServe) error {
	return errors.Join(p.engine.stop(nil), server.unregister(context.WithoutCancel(ctx), p.model.name))
}

// compare measures both at each of the settings, and adds the figures.
func (p *torchServePair) compare(ctx context.Context, e *env, b comparison) ([]*judge.Rounds, error) {
	m := p.model
	rng := rand.New(rand.NewPCG(e.seed, 1))
	rounds := make([]*judge.Rounds, len(b.settings))
	last := ""
	for _, i := range rng.Perm(len(b.settings)) {
		if err := p.apply(ctx, b.settings[i]); err != nil {
			return nil, err
		}
		var err error
		if rounds[i], err = p.measure(ctx, b, e.seed+uint64(i)); err != nil {
			return nil, fmt.Errorf("%v: %w", b.settings[i], err)
		}
		last = settingsName(b.settings[i])
		r := rounds[i].Ratio(metricRate, 0, 1, e.seed)
		busy := rounds[i].Median(metricBusy, 0, e.seed).Value / float64(b.settings[i].Workers)
		e.report.Add(r.Figure("torchserve.rate."+m.name+"."+last, fmt.Sprintf("%s/s of %s/s, our workers execute the model %s%% of the time",
			judge.Number(r.A), judge.Number(r.B), judge.Number(100*busy))))
	}
	all := judge.Join(rounds...)
	detail := fmt.Sprintf(", %d settings, %d clients", len(b.settings), comparedClients)
	if p.runMS > 0 {
		detail += fmt.Sprintf(", a run of one item %s ms", judge.Number(p.runMS))
	}
	for _, f := range serverFigures(all, torchServeMetrics, 0, 1, e.seed, "torchserve.", "."+m.name, detail) {
		e.report.Add(f)
	}
	e.report.Add(memoryFigure("torchserve.memory."+m.name, last, p.ours.procs, p.theirs.procs))
	return rounds, nil
}

// measure measures both at the settings in force.
func (p *torchServePair) measure(ctx context.Context, b comparison, seed uint64) (*judge.Rounds, error) {
	return judge.MeasureRounds(ctx, judge.RoundsPlan{
		Rounds: b.rounds, MaxRounds: b.rounds + max(1, b.rounds/3), Length: b.block, Seed: seed, Watch: watchTrees(os.Getpid(), p.ours.procs, p.theirs.procs),
	}, p.ours.block, p.theirs.block)
}

// torchServeMetrics are the figures of a model, with the unit in their details. The model latency of TorchServe is the time of
// its handler, and that of this program the run, without reading and writing bodies.
var torchServeMetrics = []namedMetric{
	{metricRate, "rate", "/s"}, {metricP99, "p99", " ms"}, {metricModel, "p99-model", " ms"}, {metricCPU, "cpu", " ms"},
}

// openPair starts this program with the archive, and registers it in TorchServe.
func openPair(ctx context.Context, e *env, server *torchServe, m comparedModel, bodies []load.Body) (*torchServePair, error) {
	p := &torchServePair{model: m, engine: &modelServer{}}
	var ready archiveReady
	var err error
	unpacked := filepath.Join(filepath.Dir(m.archive), "unpacked")
	if p.engine.child, err = e.startChild(ctx, archiveServer, &ready, m.archive, unpacked, knob.TorchServe.String()); err != nil {
		return nil, err
	}
	p.engine.modelServerAddrs, p.runMS = ready.modelServerAddrs, ready.RunMS
	if p.ours, err = newComparedServer("this program", p.engine.cmd.Process.Pid, "http://"+ready.Predict+"/predictions/"+m.name, bodies); err == nil {
		p.theirs, err = newComparedServer("TorchServe", server.pid(), server.inference+"/predictions/"+m.name, bodies)
	}
	if err == nil {
		p.theirs.log = &metricsLog{path: filepath.Join(server.dir, "logs", "model_metrics.log")}
		err = server.register(ctx, m.archive, m.name, e.budget.torchServe().settings[0])
	}
	if err == nil {
		p.target, err = torchserve.Open(ctx, torchserve.Config{
			Management: []string{server.management}, Inference: server.inference, Model: m.name, Bodies: bodies, Seed: e.seed, Cores: e.cores,
		})
	}
	if err != nil {
		return nil, p.engine.stop(err)
	}
	return p, nil
}

// newComparedServer is a server under the load of the comparisons.
func newComparedServer(name string, pid int, at string, bodies []load.Body) (*comparedServer, error) {
	c, err := load.Endpoint{URL: at, Bodies: bodies}.Config(load.Spec{Mode: load.Closed, Concurrency: comparedClients})
	return &comparedServer{name: name, pid: pid, load: c}, err
}

// apply applies settings to both.
func (p *torchServePair) apply(ctx context.Context, s knob.Settings) error {
	return errors.Join(p.applyOurs(ctx, s), p.applyTheirs(ctx, s))
}

func (p *torchServePair) applyOurs(ctx context.Context, s knob.Settings) error {
	err := p.engine.apply(ctx, p.model.name, s)
	p.ours.settle()
	return err
}

func (p *torchServePair) applyTheirs(ctx context.Context, s knob.Settings) error {
	info, err := p.target.Info(ctx)
	if err != nil {
		return err
	}
	of := info.Current // it has no value for what TorchServe does not report
	of.Workers, of.BatchSize, of.BatchDelay = s.Workers, s.BatchSize, s.BatchDelay
	_, err = p.target.Apply(ctx, of)
	p.theirs.settle()
	return err
}

// compareBest measures both again, each at the settings at which it has the highest rate.
func (p *torchServePair) compareBest(ctx context.Context, e *env, b comparison, rounds []*judge.Rounds) error {
	ours, theirs := 0, 0
	for i, r := range rounds {
		if r.Median(metricRate, 0, e.seed).Value > rounds[ours].Median(metricRate, 0, e.seed).Value {
			ours = i
		}
		if r.Median(metricRate, 1, e.seed).Value > rounds[theirs].Median(metricRate, 1, e.seed).Value {
			theirs = i
		}
	}
	if err := errors.Join(p.applyOurs(ctx, b.settings[ours]), p.applyTheirs(ctx, b.settings[theirs])); err != nil {
		return err
	}
	r, err := p.measure(ctx, b, e.seed)
	if err != nil {
		return err
	}
	ratio := r.Ratio(metricRate, 0, 1, e.seed)
	e.report.Add(ratio.Figure("torchserve.best."+p.model.name, fmt.Sprintf("%s/s at %s of %s/s at %s",
		judge.Number(ratio.A), settingsName(b.settings[ours]), judge.Number(ratio.B), settingsName(b.settings[theirs]))))
	return p.addLimit(ctx, e, b, b.settings[ours], ratio)
}

// settingsName is the workers, batch size and delay of settings: 2x4-10ms.
func settingsName(s knob.Settings) string {
	return fmt.Sprintf("%dx%d-%dms", s.Workers, s.BatchSize, s.BatchDelay/time.Millisecond)
}

// memoryFigure is the memory of two servers; when says with which settings.
func memoryFigure(name, when string, ours, theirs tree) judge.Figure {
	a, what := ours.memory()
	b, _ := theirs.memory()
	const mb = 1 << 20
	return judge.Figure{
		Name: name, Value: a / b, Unit: "ratio",
		Detail: fmt.Sprintf("%s MB of %s MB at %s, %s, %d and %d processes", judge.Number(a/mb), judge.Number(b/mb), when, what, len(ours), len(theirs)),
	}
}
