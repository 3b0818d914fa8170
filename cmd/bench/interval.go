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

// The server in the configuration of the corrector: 2 workers with batches of at
// most 8, s(b) = 4 + 2b ms.
const (
	simBase    = 4 * time.Millisecond
	simEach    = 2 * time.Millisecond
	simDelay   = 8 * time.Millisecond
	simWorkers = 2
	simSize    = 8
)

// What the simulated servers have and the corrector does not: both parameters of
// s(b) differ by 2-5%, service times vary, and workers need time to wake up.
const (
	minCurveError = .02
	maxCurveError = .05
	serverSpread  = .08
	serverWake    = 50 * time.Microsecond
)

// intervalBudget is how much the set runs.
type intervalBudget struct {
	repetitions  int // trials of a cell
	corrections  int // corrected runs of a cell
	servers      int // servers of a cell; its repetitions alternate between them
	trueRun      int // requests of the run that gives the true P99 of a server
	correctorRun int // requests of the corrector's run
	maxTrial     int // requests of a trial that ends when its P99 is precise
	p99Runs      int // runs that give the true P99 of a family
	validated    int // requests of a validation
	settlingRuns int // runs of a family that end when their P99 is precise
	settlingMax  int // requests of these runs at most
	selections   int // sweeps
	overloads    int // overloaded runs, of each kind
	overloadMax  int // requests of an overloaded run at most
}

func (b budget) intervals() intervalBudget {
	switch b.mode {
	case full.mode:
		return intervalBudget{repetitions: 1000, corrections: 1000, servers: 10, trueRun: 8_000_000, correctorRun: 1_000_000, maxTrial: 500_000, p99Runs: 40, validated: longRun, settlingRuns: 200, settlingMax: settledMax, selections: 1000, overloads: 200, overloadMax: 20_000}
	case quick.mode:
		return intervalBudget{repetitions: 20, corrections: 100, servers: 4, trueRun: 500_000, correctorRun: 100_000, maxTrial: 100_000, p99Runs: 4, validated: longRun, settlingRuns: 4, settlingMax: 20_000, selections: 4, overloads: 12, overloadMax: 20_000}
	}
	return intervalBudget{repetitions: 2, corrections: 2, servers: 2, trueRun: 20_000, correctorRun: 10_000, maxTrial: 2_000, p99Runs: 1, validated: verdictMax, settlingRuns: 1, settlingMax: 2_000, selections: 1, overloads: 1, overloadMax: 4_000}
}

// measureInterval measures how often the intervals and verdicts of trials are
// right, on simulated servers whose true P99 comes from a very long run.
func measureInterval(ctx context.Context, e *env) error {
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
		c.intervalBudget, c.seed = e.budget.intervals(), e.seed
		if err := c.drawServers(ctx); err != nil {
			return err
		}
		for _, figures := range []func(context.Context, *env, *cell) error{measureSettled, measureStopped, measureValidations} {
			if err := figures(ctx, e, c); err != nil {
				return err
			}
		}
	}
	if err := measureFalsePasses(ctx, e, &cells[len(cells)-1]); err != nil {
		return err
	}
	for _, c := range cells[1:3] { // u60, u80
		if err := measureSelection(ctx, e, &c); err != nil {
			return err
		}
	}
	if err := measureSimOverload(ctx, e, &cells[1]); err != nil {
		return err
	}
	return measureFamilies(ctx, e)
}

// cell is a group of servers with the same utilization and batching rule.
type cell struct {
	name string // u40
	rho  float64
	rule knob.Rule
	intervalBudget
	seed    uint64
	servers []simServer
}

// simServer is a simulated server with its load.
type simServer struct {
	rule  knob.Rule
	table *servicetime.Table
	load  load.Spec
	p99   float64 // the true P99 in ms, of a very long run
}

// drawServers draws the servers and runs each for trueRun requests. The rate of a
// server is a share of its own capacity, the utilization.
func (c *cell) drawServers(ctx context.Context) error {
	c.servers = make([]simServer, c.intervalBudget.servers)
	rng := rand.New(rand.NewPCG(c.seed, 1))
	for i := range c.servers {
		table, err := drawTable(rng)
		if err != nil {
			return err
		}
		t := &c.servers[i]
		t.table, t.rule = table, c.rule
		t.load = load.Spec{Mode: load.Open, Rate: c.rho * t.curve().Rate(simWorkers, simSize)}
	}
	return each(ctx, len(c.servers), func(i int) error {
		t := &c.servers[i]
		s := predict.New(t.config(t.plan(c.seedFor(i, 1), c.trueRun)))
		s.Run()
		t.p99 = s.Quantile(.99)
		return nil
	})
}

// drawTable draws the service times of a server.
func drawTable(rng *rand.Rand) (*servicetime.Table, error) {
	base, item := withCurveError(rng, simBase), withCurveError(rng, simEach)
	var rows []servicetime.Row
	for n := 1; n <= simSize; n++ {
		rows = append(rows, servicetime.Row{
			Key: simKey(), Batch: n, Median: base + time.Duration(n)*item, Spread: serverSpread,
		})
	}
	return servicetime.New(rows)
}

func simKey() servicetime.Key {
	return servicetime.Key{Workers: simWorkers, Device: "cpu", Precision: "fp32"}
}

// withCurveError increases or decreases d by 2-5%.
func withCurveError(rng *rand.Rand, d time.Duration) time.Duration {
	by := minCurveError + (maxCurveError-minCurveError)*rng.Float64()
	if rng.IntN(2) == 0 {
		by = -by
	}
	return time.Duration(float64(d) * (1 + by))
}

// simSettings are the settings of all servers. The queue is never full.
func simSettings() knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = simWorkers, simSize, simDelay, 1_000_000
	return s
}

// seedFor is the seed of the i-th run of a kind.
func (c *cell) seedFor(i int, kind uint64) uint64 {
	return rand.New(rand.NewPCG(c.seed+uint64(i)<<8, kind)).Uint64()
}

// serverOf is the server of the i-th repetition.
func (c *cell) serverOf(i int) *simServer { return &c.servers[i%len(c.servers)] }

// plan draws the arrivals of a run of n requests.
func (t *simServer) plan(seed uint64, n int) []time.Duration {
	return load.Plan(t.load, seed, 1000*time.Hour, n)
}

// curve is the service curve of the server.
func (t *simServer) curve() servicetime.Curve {
	c, err := t.table.Curve(simKey())
	if err != nil {
		panic("bench: " + err.Error()) // drawTable always returns a table with this key
	}
	return c
}

// config is the simulation of the server with a plan, which also gives the seed of
// its service times.
func (t *simServer) config(plan []time.Duration) predict.Config {
	c := t.correctorConfig(plan)
	c.Service, c.Wake, c.Seed = t.curve(), serverWake, uint64(plan[0])
	return c
}

// correctorConfig is the simulation of the corrector.
func (t *simServer) correctorConfig(plan []time.Duration) predict.Config {
	return predict.Config{Settings: simSettings(), Rule: t.rule, Service: servicetime.Line(simBase, simEach), Plan: plan}
}

// target is the server as the target of a sweep.
func (t *simServer) target() (*virtual.Target, error) {
	start := knob.Config{Settings: simSettings(), Options: knob.Options{Rule: t.rule}}
	return virtual.Open(virtual.Config{Name: "simulated", Source: "simulated", Table: t.table, Wake: serverWake, Start: start})
}

// simulatedRate adds how many requests per second one core simulates.
func simulatedRate(ctx context.Context, e *env) error {
	t := simServer{load: load.Spec{Mode: load.Open, Rate: .8 * servicetime.Line(simBase, simEach).Rate(simWorkers, simSize)}}
	c := t.correctorConfig(t.plan(e.seed, e.budget.calls*20))
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

// each calls f for 0 to n-1, with one goroutine per core, until the first error.
func each(ctx context.Context, n int, f func(i int) error) error {
	var next atomic.Int64
	var once sync.Once
	var firstErr error
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
					once.Do(func() { firstErr = err })
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return firstErr
}

// portion is the figure k/n. Its detail has the 95% sampling error.
func portion(name string, k, n int, detail string) judge.Figure {
	p := float64(k) / float64(n)
	return judge.Figure{
		Name: name, Value: p, Unit: "share",
		Detail: fmt.Sprintf("%d of %d, +-%s, %s", k, n, judge.Number(1.96*math.Sqrt(p*(1-p)/float64(n))), detail),
	}
}
