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
	truths      int // servers that a cell's repetitions take turns with
	long        int // requests of the run that the truth is taken from
	model       int // requests of the corrector's long run
}

func (b budget) trials() trialBudget {
	switch b.mode {
	case full.mode:
		return trialBudget{repetitions: 1000, truths: 10, long: 8_000_000, model: 1_000_000}
	case quick.mode:
		return trialBudget{repetitions: 60, truths: 4, long: 2_000_000, model: 200_000}
	}
	return trialBudget{repetitions: 4, truths: 2, long: 50_000, model: 20_000}
}

// interval measures what the intervals and verdicts of trials are worth, on
// simulated servers whose true P99 is known from a very long run.
func interval(ctx context.Context, e *env) error {
	b := e.budget.trials()
	for _, rho := range []float64{.4, .6, .8, .9} {
		c, err := newCell(ctx, rho, b, e.seed)
		if err != nil {
			return err
		}
		if err := settled(ctx, e, c); err != nil {
			return err
		}
		if err := stopped(ctx, e, c); err != nil {
			return err
		}
		if rho < .9 {
			continue
		}
		if err := falsePasses(ctx, e, c); err != nil {
			return err
		}
	}
	return nil
}

// cell is the servers of one utilization.
type cell struct {
	name string // u40
	trialBudget
	seed   uint64
	truths []truth
}

// truth is one server under its load.
type truth struct {
	table *servicetime.Table
	load  load.Spec
	p99   float64 // ms, of a very long run
}

// newCell draws servers and runs each for long. Utilization is the share of what
// a server bears, so every truth has a rate of its own.
func newCell(ctx context.Context, rho float64, b trialBudget, seed uint64) (*cell, error) {
	c := &cell{name: fmt.Sprintf("u%.0f", 100*rho), trialBudget: b, seed: seed, truths: make([]truth, b.truths)}
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range c.truths {
		base, each := off(rng, simBase), off(rng, simEach)
		var rows []servicetime.Row
		for n := 1; n <= simSize; n++ {
			rows = append(rows, servicetime.Row{
				Key:   servicetime.Key{Workers: simWorkers, Device: "cpu", Precision: "fp32"},
				Batch: n, Median: base + time.Duration(n)*each, Spread: truthSpread,
			})
		}
		table, err := servicetime.New(rows)
		if err != nil {
			return nil, err
		}
		curve, err := table.Curve(rows[0].Key)
		if err != nil {
			return nil, err
		}
		rate := rho * curve.Rate(simWorkers, simSize)
		c.truths[i] = truth{table: table, load: load.Spec{Mode: load.Open, Rate: rate}}
	}
	return c, each(ctx, b.truths, func(i int) error {
		t := &c.truths[i]
		s := predict.New(t.config(t.plan(c.draw(i, 1), b.long)))
		s.Run()
		t.p99 = s.Quantile(.99)
		return nil
	})
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

// config is the truth under a plan; its noise follows from the plan.
func (t *truth) config(plan []time.Duration) predict.Config {
	c := model(plan)
	curve, err := t.table.Curve(servicetime.Key{Workers: c.Settings.Workers, Device: "cpu", Precision: "fp32"})
	if err != nil {
		panic("bench: " + err.Error()) // newCell has asked for it already
	}
	c.Service, c.Wake, c.Seed = curve, truthWake, uint64(plan[0])
	return c
}

// model is what the corrector simulates.
func model(plan []time.Duration) predict.Config {
	return predict.Config{Settings: simSettings(), Service: servicetime.Line(simBase, simEach), Plan: plan}
}

// target is the truth as a sweep sees it.
func (t *truth) target() (*virtual.Target, error) {
	return virtual.Open(virtual.Config{
		Name: "truth", Source: "truth", Table: t.table, Wake: truthWake, Start: knob.Config{Settings: simSettings()},
	})
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

// share is a figure of how many of n.
func portion(name string, k, n int, detail string) judge.Figure {
	p := float64(k) / float64(n)
	return judge.Figure{
		Name: name, Value: p, Unit: "share",
		Detail: fmt.Sprintf("%d of %d, +-%s, %s", k, n, judge.Number(1.96*math.Sqrt(p*(1-p)/float64(n))), detail),
	}
}
