package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/target/virtual"
)

// The server of this set, as the simulator knows it: 2 workers with batches of
// 8 at most, s(b) = 4 + 2b ms.
const (
	simBase    = 4 * time.Millisecond
	simEach    = 2 * time.Millisecond
	simDelay   = 8 * time.Millisecond
	simWorkers = 2
	simSize    = 8
)

// What the truth has and the simulator does not know: s(b) off by 2-5% in both
// of its parts, times that scatter, and workers that take a while to wake up.
const (
	offLeast    = .02
	offMost     = .05
	truthSpread = .08
	truthWake   = 50 * time.Microsecond
)

// trialBudget is how much of the set is run.
type trialBudget struct {
	repetitions int // of a cell
	corrections int // runs that are corrected, likewise
	truths      int // servers that a cell's repetitions take turns with
	long        int // requests of the run that the truth is taken from
	model       int // requests of the corrector's long run
	most        int // requests of a trial that ends when its P99 is known
	truthRuns   int // of a family, that its truth is taken from
	validated   int // requests of a validation
	settling    int // runs of a family that settle
	settles     int // requests of these at most
	selections  int // sweeps
	overloads   int // runs under overload, of each kind
}

func (b budget) trials() trialBudget {
	switch b.mode {
	case full.mode:
		return trialBudget{repetitions: 1000, corrections: 1000, truths: 10, long: 8_000_000, model: 1_000_000, most: 500_000, truthRuns: 40, validated: longRun, settling: 200, settles: settlesMost, selections: 1000, overloads: 200}
	case quick.mode:
		return trialBudget{repetitions: 20, corrections: 100, truths: 4, long: 500_000, model: 100_000, most: 100_000, truthRuns: 4, validated: longRun, settling: 4, settles: 20_000, selections: 4, overloads: 12}
	}
	return trialBudget{repetitions: 4, corrections: 4, truths: 2, long: 50_000, model: 20_000, most: 2_000, truthRuns: 1, validated: verdictMost, settling: 1, settles: 2_000, selections: 1, overloads: 1}
}

// interval measures what the intervals and verdicts of trials are worth, on
// simulated servers whose true P99 is known from a very long run.
func interval(ctx context.Context, e *env) error {
	if err := simulatedRate(ctx, e); err != nil {
		return err
	}
	cells := []cell{
		{name: "u40", rho: .4},
		{name: "u60", rho: .6},
		{name: "u80", rho: .8},
		{name: "eager-u80", rho: .8, rule: knob.Eager},
		{name: "u90", rho: .9},
	}
	for i := range cells {
		c := &cells[i]
		c.trialBudget, c.seed = e.budget.trials(), e.seed
		if err := c.build(ctx); err != nil {
			return err
		}
		for _, figures := range []func(context.Context, *env, *cell) error{settled, stopped, judgeCell} {
			if err := figures(ctx, e, c); err != nil {
				return err
			}
		}
	}
	if err := falsePasses(ctx, e, &cells[len(cells)-1]); err != nil {
		return err
	}
	for _, c := range cells[1:3] { // u60, u80
		if err := selection(ctx, e, &c); err != nil {
			return err
		}
	}
	if err := overload(ctx, e, &cells[1]); err != nil {
		return err
	}
	return judgeFamilies(ctx, e)
}

// cell is servers of one utilization and batching rule.
type cell struct {
	name string // u40
	rho  float64
	rule knob.Rule
	trialBudget
	seed   uint64
	truths []truth
}

// truth is one server under its load.
type truth struct {
	rule  knob.Rule
	table *servicetime.Table
	load  load.Spec
	p99   float64 // ms, of a very long run
}

// build draws the servers and runs each for long. Utilization is the share of
// what a server bears, so every truth has a rate of its own.
func (c *cell) build(ctx context.Context) error {
	c.truths = make([]truth, c.trialBudget.truths)
	rng := rand.New(rand.NewPCG(c.seed, 1))
	for i := range c.truths {
		table, err := drawTable(rng)
		if err != nil {
			return err
		}
		t := &c.truths[i]
		t.table, t.rule = table, c.rule
		t.load = load.Spec{Mode: load.Open, Rate: c.rho * t.curve().Rate(simWorkers, simSize)}
	}
	return each(ctx, len(c.truths), func(i int) error {
		t := &c.truths[i]
		s := predict.New(t.config(t.plan(c.draw(i, 1), c.long)))
		s.Run()
		t.p99 = s.Quantile(.99)
		return nil
	})
}

// drawTable is the service times of a truth.
func drawTable(rng *rand.Rand) (*servicetime.Table, error) {
	base, item := off(rng, simBase), off(rng, simEach)
	var rows []servicetime.Row
	for n := 1; n <= simSize; n++ {
		rows = append(rows, servicetime.Row{
			Key: simKey(), Batch: n, Median: base + time.Duration(n)*item, Spread: truthSpread,
		})
	}
	return servicetime.New(rows)
}

func simKey() servicetime.Key {
	return servicetime.Key{Workers: simWorkers, Device: "cpu", Precision: "fp32"}
}

// off changes d by 2-5%, up or down.
func off(rng *rand.Rand, d time.Duration) time.Duration {
	by := offLeast + (offMost-offLeast)*rng.Float64()
	if rng.IntN(2) == 0 {
		by = -by
	}
	return time.Duration(float64(d) * (1 + by))
}

// simSettings are those of all servers. The queue never fills.
func simSettings() knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = simWorkers, simSize, simDelay, 1_000_000
	return s
}

// draw is the seed of the i-th of something; kinds have streams of their own.
func (c *cell) draw(i int, kind uint64) uint64 {
	return rand.New(rand.NewPCG(c.seed+uint64(i)<<8, kind)).Uint64()
}

// of is the truth of a repetition.
func (c *cell) of(i int) *truth { return &c.truths[i%len(c.truths)] }

// plan is the arrivals of a run of n requests.
func (t *truth) plan(seed uint64, n int) []time.Duration {
	return load.Plan(t.load, seed, 1000*time.Hour, n)
}

// curve is how long the truth takes.
func (t *truth) curve() servicetime.Curve {
	c, err := t.table.Curve(simKey())
	if err != nil {
		panic("bench: " + err.Error()) // drawTable has made it so
	}
	return c
}

// config is the truth under a plan; its noise follows from the plan.
func (t *truth) config(plan []time.Duration) predict.Config {
	c := t.model(plan)
	c.Service, c.Wake, c.Seed = t.curve(), truthWake, uint64(plan[0])
	return c
}

// model is what the corrector simulates.
func (t *truth) model(plan []time.Duration) predict.Config {
	return predict.Config{Settings: simSettings(), Rule: t.rule, Service: servicetime.Line(simBase, simEach), Plan: plan}
}

// target is the truth as a sweep sees it.
func (t *truth) target() (*virtual.Target, error) {
	start := knob.Config{Settings: simSettings(), Options: knob.Options{Rule: t.rule}}
	return virtual.Open(virtual.Config{Name: "truth", Source: "truth", Table: t.table, Wake: truthWake, Start: start})
}

// simulatedRate adds how many requests a second one core simulates.
func simulatedRate(ctx context.Context, e *env) error {
	t := truth{load: load.Spec{Mode: load.Open, Rate: .8 * servicetime.Line(simBase, simEach).Rate(simWorkers, simSize)}}
	c := t.model(t.plan(e.seed, e.budget.count*20))
	s := predict.New(c)
	rates := make([]float64, e.budget.blocks)
	for i := range rates {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		start := time.Now()
		s.Reset(c)
		s.Run()
		rates[i] = float64(len(c.Plan)) / time.Since(start).Seconds() / 1e6
	}
	iv := stat.Mean(rates)
	e.report.Add(judge.Figure{
		Name: "interval.simulated", Value: iv.Value, Unit: "M/s", Interval: &iv,
		Detail: fmt.Sprintf("%d runs of %d requests, utilization .8, one core", len(rates), len(c.Plan)),
	})
	return nil
}

// each calls f for 0 to n-1 from as many goroutines as there are cores, until
// the first error.
func each(ctx context.Context, n int, f func(i int) error) error {
	var next atomic.Int64
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := context.Cause(ctx)
				if err == nil {
					err = f(i)
				}
				if err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return first
}

// portion is a figure of how many of n; the detail has its 95% sampling error.
func portion(name string, k, n int, detail string) judge.Figure {
	p := float64(k) / float64(n)
	return judge.Figure{
		Name: name, Value: p, Unit: "share",
		Detail: fmt.Sprintf("%d of %d, +-%s, %s", k, n, judge.Number(1.96*math.Sqrt(p*(1-p)/float64(n))), detail),
	}
}
