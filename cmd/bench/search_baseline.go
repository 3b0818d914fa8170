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

// rival is another way to search, which knows of a device only what load tests
// show. It asks for settings until ask returns false.
type rival struct {
	name string
	run  func(ctx context.Context, p *problem, ask func(knob.Settings) (rate float64, more bool)) error
}

// rivals are the baselines. Those of the nested module are among them if its
// program was built.
func rivals(program string) []rival {
	all := []rival{{"random", searchRandomly}, {"hill", searchHill}}
	if program != "" {
		all = slices.Insert(all, 1, rival{"tpe", sampler{program, "tpe"}.search})
	}
	return all
}

// counts are the numbers of load tests after which a baseline is judged.
var counts = []int{8, 15, 30, 60}

// tester makes load tests, and keeps what they found.
type tester struct {
	ctx    context.Context
	d      *device
	budget int // load tests
	asked  int // most requests of a trial
	rates  map[knob.Settings]float64
	best   knob.Settings
	at     map[int]float64 // regret by number of load tests
	trials int             // so far; their seeds follow from it
	err    error
}

// compete lets a rival search p within the budget's load tests and returns its
// regret after each of counts. A rival that ends early keeps what it has.
func compete(ctx context.Context, p *problem, r rival, b searchBudget) (map[int]float64, error) {
	d, err := p.open()
	if err != nil {
		return nil, err
	}
	tests := min(b.tests, len(p.settings())) // then it knows all
	t := &tester{ctx: ctx, d: d, budget: tests, asked: b.asked, rates: map[knob.Settings]float64{}, at: map[int]float64{}}
	if err := r.run(ctx, p, t.ask); err != nil {
		return nil, err
	}
	for _, n := range counts {
		if _, known := t.at[n]; !known {
			t.at[n] = t.regret()
		}
	}
	return t.at, t.err
}

func (t *tester) regret() float64 {
	if t.rates[t.best] == 0 {
		return 1
	}
	return t.d.problem.regret(t.best)
}

// ask tests settings, or remembers what a test of them found.
func (t *tester) ask(s knob.Settings) (rate float64, more bool) {
	if rate, known := t.rates[s]; known {
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
		t.at[n] = t.regret()
	}
	return rate, len(t.rates) < t.budget
}

// The load test of a baseline: a closed load that keeps all workers busy says
// how much they bear, and halving finds the highest of it that keeps the promise.
const (
	saturating = 2000 // requests of the first trial, for 2 s at least
	halvings   = 4    // trials that follow
)

func (t *tester) test(s knob.Settings) (float64, error) {
	if _, err := t.d.Apply(t.ctx, s); err != nil {
		return 0, err
	}
	full := load.Spec{Mode: load.Closed, Concurrency: 2 * s.Workers * s.BatchSize}
	rate, _, err := t.measure(full, t.asked, untilSaturated)
	low, high := 0.0, rate
	for range halvings {
		if err != nil {
			break
		}
		mid := (low + high) / 2
		var passes bool
		at := load.Spec{Mode: load.Open, Rate: mid}
		if _, passes, err = t.measure(at, t.asked, sweep.UntilCertain(t.d.problem.sla, at)); passes {
			low = mid
		} else {
			high = mid
		}
	}
	return low, err
}

// untilSaturated is the Stop of a load test's first trial.
func untilSaturated(elapsed time.Duration, samples []load.Sample) (bool, string) {
	return elapsed >= 2*time.Second && len(samples) >= saturating, ""
}

// untilEnd is a Stop that never stops.
func untilEnd(time.Duration, []load.Sample) (bool, string) { return false, "" }

// measure runs one trial and returns its throughput and whether it passed.
func (t *tester) measure(l load.Spec, most int, stop sweep.Stop) (rate float64, passes bool, err error) {
	p := t.d.problem
	t.trials++
	r, err := t.d.Measure(t.ctx, sweep.Measurement{
		Load: l, Seed: p.seed + uint64(t.trials), SLA: p.sla, Max: most, Time: longestVirtual, Stop: stop,
	})
	return float64(r.Counts.OK) / max(r.Seconds, 1e-9), r.Verdict.Result == trial.Pass, err
}

// searchRandomly draws settings without looking at what became of the others.
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

// mostAgain is how often a sampler may suggest settings, for each load test, in
// the mean: it suggests some that it knows, too.
const mostAgain = 4

// searchHill climbs over batch size and workers from one of each, the other
// knobs left alone: to the best of the neighbours, until none is better.
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
		home := [2]int{w, b}
		for _, step := range [][2]int{{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1, 1}, {-1, -1}, {1, -1}, {-1, 1}} {
			var rate float64
			if rate, more = at(home[0]+step[0], home[1]+step[1]); rate > best {
				best, w, b, moved = rate, home[0]+step[0], home[1]+step[1], true
			}
			if !more {
				break
			}
		}
	}
	return nil
}
