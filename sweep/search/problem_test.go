package search_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

// problem is a simulated device and a plan for it.
type problem struct {
	plan  plan.Plan
	table *servicetime.Table
	wake  time.Duration
}

// newProblem returns a random device with up to 4 workers that slow each other down. Batches save
// more or less time and have a spread. With kinks, times change by a factor from a random batch
// size on.
func newProblem(seed uint64, question plan.Question, kinks bool) problem {
	r := rand.New(rand.NewPCG(seed, 7))
	between := func(a, b float64) float64 { return a * math.Pow(b/a, r.Float64()) }
	base, each := between(.5, 8), between(.05, 1.5)
	var rows []servicetime.Row
	for _, precision := range []string{"fp32", "fp16"} {
		faster, kinkAt, kink := between(.5, 1.2), 4<<r.IntN(3), 1.0
		if precision == "fp32" {
			faster = 1
		}
		if kinks {
			kink = between(.75, 1.35)
		}
		disturb := between(.05, .8)
		for w := 1; w <= 4; w++ {
			for b := 1; b <= 32; b *= 2 {
				s := (base + each*float64(b)) * faster * (1 + disturb*float64(w-1)) * between(.97, 1.03)
				if b >= kinkAt {
					s *= kink
				}
				rows = append(rows, servicetime.Row{
					Key:   servicetime.Key{Workers: w, Device: "cpu", Precision: precision},
					Batch: b, Median: time.Duration(s * 1e6), Spread: between(.02, .08),
				})
			}
		}
	}
	table, err := servicetime.New(rows)
	if err != nil {
		panic(err)
	}
	p := plan.Default()
	p.Question, p.Target, p.Seed = question, "virtual", seed
	p.SLA.Limit = time.Duration(between(4, 14) * (base + each) * 1e6).Truncate(time.Millisecond)
	p.Loads = []load.Spec{{Mode: load.Closed, Concurrency: 10 + r.IntN(30)}}
	p.Knobs = map[knob.Name]string{
		knob.Workers: "1-4", knob.BatchSize: "1-32*2", knob.BatchDelay: "1,2,4,8,12,20", knob.FP16: "fp32,fp16", knob.QueueSize: "1000",
	}
	p.Budget.Time = 0
	return problem{p, table, time.Duration(between(20, 200)) * time.Microsecond}
}

// solution is the result of a strategy.
type solution struct {
	out    sweep.Outcome
	probes int
	tests  int
	trials int
	regret float64
}

func (p problem) target(t testing.TB) *virtual.Target {
	t.Helper()
	d, err := virtual.Open(virtual.Config{
		Name: "p", Source: "sim:p", Table: p.table, MinTimeLimit: time.Hour, Wake: p.wake,
		Start: knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// memoryRecorder keeps the records of a sweep in memory, and cancels the sweep after a number of
// records.
type memoryRecorder struct {
	probes    []trial.Probe
	trials    []trial.Trial
	cancel    func()
	remaining int
}

func (b *memoryRecorder) count() {
	if b.remaining--; b.remaining == 0 {
		b.cancel()
	}
}

func (b *memoryRecorder) Probe(p trial.Probe) error {
	defer b.count()
	return appendDecoded(&b.probes, p)
}

func (b *memoryRecorder) Trial(t trial.Trial) error {
	defer b.count()
	return appendDecoded(&b.trials, t)
}

func (*memoryRecorder) Event(trial.Event) error   { return nil }
func (*memoryRecorder) Choice(trial.Choice) error { return nil }

// appendDecoded appends v after encoding and decoding it, as in a profile.
func appendDecoded[T any](to *[]T, v T) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var out T
	*to = append(*to, out)
	return json.Unmarshal(text, &(*to)[len(*to)-1])
}

// run sweeps, starting with the history done, and cancels after this number of records; 0 is no
// limit.
func (p problem) run(t testing.TB, strategy string, done trial.History, after int) (sweep.Outcome, trial.History) {
	t.Helper()
	d := p.target(t)
	p.plan.Strategy = strategy
	completed, err := search.Complete(p.plan)
	if err != nil {
		t.Fatal(err)
	}
	points, _ := completed.Points(info(t, d).Limits, info(t, d).Current, info(t, d).Fixed)
	s, err := search.New(completed, points, trial.AllMetrics())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := &memoryRecorder{cancel: cancel, remaining: after, probes: done.Probes, trials: done.Trials}
	rules := rank.RulesOf(completed)
	r := sweep.Runner{
		Target: d, Strategy: s, Recorder: b, SLA: completed.SLA, Seed: completed.Seed, FirstNumber: len(done.Trials) + 1, Resumed: done,
		MaxRequests: completed.Trial.MaxRequests, Rules: rules,
		Explain: func(t []trial.Trial, best int) trial.Explanation {
			return search.Explainer{Rules: rules}.Explain(t, best, nil)
		},
	}
	out, err := r.Run(ctx)
	if err != nil && after == 0 {
		t.Fatal(err)
	}
	return out, trial.History{Trials: b.trials, Probes: b.probes}
}

func info(t testing.TB, d *virtual.Target) sweep.Info {
	i, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// truth returns the true value of a setting: the highest rate, or the throughput if it keeps the
// promise.
func (p problem) truth(s *predict.Sim, at knob.Settings) float64 {
	requests := 6000
	if testing.Short() {
		requests = 3000
	}
	curve, err := p.table.Curve(servicetime.Key{Workers: at.Workers, Device: "cpu", Precision: at.Precision.String()})
	if err != nil {
		panic(err)
	}
	c := predict.Config{Settings: at, Service: curve, Wake: p.wake, Seed: 99}
	if p.plan.Question.SeeksRate() {
		return predict.MaxRate(s, c, load.Poisson, requests, predict.Promise{Q: .99, Limit: p.plan.SLA.Limit})
	}
	c.Clients, c.Requests = p.plan.Loads[0].Concurrency, requests
	s.Reset(c)
	s.Run()
	if s.Quantile(.99) > float64(p.plan.SLA.Limit)/1e6 {
		return 0
	}
	return float64(len(s.Latencies())) / s.Now().Seconds()
}

// solve sweeps and compares the choice with the best of all points.
func (p problem) solve(t testing.TB, strategy string) solution {
	t.Helper()
	out, h := p.run(t, strategy, trial.History{}, 0)
	r := solution{out: out, probes: len(h.Probes), trials: len(h.Trials), regret: 1}
	seen := map[any]bool{}
	for _, x := range h.Trials {
		switch {
		case x.Role == trial.RoleValidation:
			r.trials--
		case x.Role == trial.RoleControl:
			r.tests++
		case !seen[x.Settings]:
			seen[x.Settings] = true
			r.tests++
		}
	}
	d := p.target(t)
	points, _ := p.plan.Points(info(t, d).Limits, info(t, d).Current, info(t, d).Fixed)
	sim, best := predict.New(predict.Config{Settings: points[0].Settings, Service: servicetime.Line(1, 1), Clients: 1}), 0.0
	for _, x := range points {
		best = max(best, p.truth(sim, x.Settings))
	}
	if out.Choice == nil {
		if best == 0 {
			r.regret = 0
		}
		return r
	}
	r.regret = 1 - p.truth(sim, out.Choice.Settings)/best
	return r
}
