package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// baseline is a search that knows only the results of load tests. It calls ask for settings until
// ask returns false.
type baseline struct {
	name string
	run  func(ctx context.Context, p *problem, ask func(knob.Settings) (rate float64, more bool)) error
}

// baselines returns the baselines; those of the nested module only if its program was built.
func baselines(program string) []baseline {
	all := []baseline{{"random", searchRandomly}, {"hill", searchHill}}
	if program != "" {
		all = slices.Insert(all, 1, baseline{"tpe", sampler{program, "tpe"}.search})
	}
	return all
}

// counts are the numbers of load tests after which the regret of a baseline is measured.
var counts = []int{8, 15, 30, 60}

// loadTester makes load tests for a baseline and keeps their results.
type loadTester struct {
	ctx         context.Context
	device      *device
	budget      int // maximal number of load tests
	maxRequests int // of a trial
	rates       map[knob.Settings]float64
	best        knob.Settings   // of the tested ones
	regretAfter map[int]float64 // regret by number of load tests
	trials      int             // number of trials, from which their seeds are computed
	err         error
}

// searchWithBaseline lets a baseline search p and returns its regret after each of counts. If the
// baseline ends early, its last regret is used.
func searchWithBaseline(ctx context.Context, p *problem, r baseline, b searchBudget) (map[int]float64, error) {
	d, err := p.open()
	if err != nil {
		return nil, err
	}
	tests := min(b.maxTests, len(p.settings())) // at most one for each setting
	t := &loadTester{ctx: ctx, device: d, budget: tests, maxRequests: b.maxRequests, rates: map[knob.Settings]float64{}, regretAfter: map[int]float64{}}
	if err := r.run(ctx, p, t.ask); err != nil {
		return nil, err
	}
	for _, n := range counts {
		if _, done := t.regretAfter[n]; !done {
			t.regretAfter[n] = t.regret()
		}
	}
	return t.regretAfter, t.err
}

// regret returns the regret of the best settings so far, 1 if none keep the promise.
func (t *loadTester) regret() float64 {
	if t.rates[t.best] == 0 {
		return 1
	}
	return t.device.problem.regret(t.best)
}

// ask tests settings, or returns the result of an earlier test of them.
func (t *loadTester) ask(s knob.Settings) (rate float64, more bool) {
	if rate, tested := t.rates[s]; tested {
		return rate, t.err == nil
	}
	rate, t.err = t.test(s)
	if t.err != nil {
		return 0, false
	}
	t.rates[s] = rate
	if rate > t.rates[t.best] || len(t.rates) == 1 {
		t.best = s
	}
	if n := len(t.rates); slices.Contains(counts, n) {
		t.regretAfter[n] = t.regret()
	}
	return rate, len(t.rates) < t.budget
}

// The load test of a baseline: a closed load that keeps all workers busy shows their capacity. Then
// bisection finds the highest rate that keeps the promise.
const (
	saturationRequests = 2000 // requests of the first trial, which lasts at least 2 s
	halvings           = 4    // trials of the bisection
)

// test makes one load test and returns the highest rate that passed.
func (t *loadTester) test(s knob.Settings) (float64, error) {
	if _, err := t.device.Apply(t.ctx, s); err != nil {
		return 0, err
	}
	full := load.Spec{Mode: load.Closed, Concurrency: 2 * s.Workers * s.BatchSize}
	rate, _, err := t.measure(full, t.maxRequests, stopWhenSaturated)
	low, high := 0.0, rate
	for range halvings {
		if err != nil {
			break
		}
		mid := (low + high) / 2
		var passes bool
		at := load.Spec{Mode: load.Open, Rate: mid}
		if _, passes, err = t.measure(at, t.maxRequests, sweep.UntilCertain(t.device.problem.sla, at)); passes {
			low = mid
		} else {
			high = mid
		}
	}
	return low, err
}

// stopWhenSaturated is the sweep.Stop of the first trial.
func stopWhenSaturated(elapsed time.Duration, samples []load.Sample) (bool, string) {
	return elapsed >= 2*time.Second && len(samples) >= saturationRequests, ""
}

// neverStop is a sweep.Stop that never stops.
func neverStop(time.Duration, []load.Sample) (bool, string) { return false, "" }

// measure runs one trial and returns its throughput and whether it passed.
func (t *loadTester) measure(l load.Spec, maxRequests int, stop sweep.Stop) (rate float64, passes bool, err error) {
	p := t.device.problem
	t.trials++
	r, err := t.device.Measure(t.ctx, sweep.Measurement{
		Load: l, Seed: p.seed + uint64(t.trials), SLA: p.sla, Max: maxRequests, Time: virtualTimeLimit, Stop: stop,
	})
	return float64(r.Counts.OK) / max(r.Seconds, 1e-9), r.Verdict.Result == trial.Pass, err
}

// searchRandomly tests all settings in random order.
func searchRandomly(_ context.Context, p *problem, ask func(knob.Settings) (float64, bool)) error {
	all := p.settings()
	rng := rand.New(rand.NewPCG(p.seed, 0x72616e64))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, s := range all {
		if _, more := ask(s); !more {
			break
		}
	}
	return nil
}

// suggestionsPerTest is the maximal mean number of a sampler's suggestions per load test: a sampler
// also suggests settings that were tested already.
const suggestionsPerTest = 4

// searchHill climbs over batch size and workers, starting at one of each, with the other knobs
// fixed: it moves to the best neighbour until none is better.
func searchHill(_ context.Context, p *problem, ask func(knob.Settings) (float64, bool)) error {
	at := func(w, b int) (float64, bool) {
		if w < 0 || w >= len(p.workers) || b < 0 || b >= len(p.batches) {
			return -1, true
		}
		return ask(spaceSettings(p.workers[w], p.batches[b], p.delays[0], knob.FullPrecision))
	}
	w, b := 0, 0
	best, more := at(w, b)
	for moved := true; moved && more; {
		moved = false
		center := [2]int{w, b}
		for _, step := range [][2]int{{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1, 1}, {-1, -1}, {1, -1}, {-1, 1}} {
			var rate float64
			if rate, more = at(center[0]+step[0], center[1]+step[1]); rate > best {
				best, w, b, moved = rate, center[0]+step[0], center[1]+step[1], true
			}
			if !more {
				break
			}
		}
	}
	return nil
}
