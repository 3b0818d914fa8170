package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/c-bata/goptuna"
	"github.com/c-bata/goptuna/tpe"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// rival is another way to search, which knows of a device only what load tests
// show. It asks for settings until ask returns false.
type rival struct {
	name string
	run  func(p *problem, ask func(knob.Settings) (rate float64, more bool)) error
}

// rivals are the baselines.
func rivals() []rival {
	return []rival{{"random", searchRandomly}, {"tpe", searchTPE}, {"hill", searchHill}}
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
	if err := r.run(p, t.ask); err != nil {
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
func searchRandomly(p *problem, ask func(knob.Settings) (float64, bool)) error {
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

// errEnough ends a study.
var errEnough = errors.New("enough")

// mostAgain is how often a study may ask, for each load test, in the mean: it
// asks for settings that it knows, too.
const mostAgain = 4

// searchTPE is goptuna's tree of Parzen estimators with its defaults, over the
// places of the values in their ranges. Part of what it draws comes from the
// generator of the whole process, which no seed reaches: its figures differ a
// little from run to run.
func searchTPE(p *problem, ask func(knob.Settings) (float64, bool)) error {
	study, err := goptuna.CreateStudy("bench",
		goptuna.StudyOptionSampler(tpe.NewSampler(tpe.SamplerOptionSeed(int64(p.seed)))),
		goptuna.StudyOptionDirection(goptuna.StudyDirectionMaximize),
		goptuna.StudyOptionLogger(nil),
	)
	if err != nil {
		return err
	}
	err = study.Optimize(func(t goptuna.Trial) (float64, error) {
		var place [4]int
		for i, n := range [...]int{len(p.workers), len(p.batches), len(p.delays), len(p.formats)} {
			v, err := t.SuggestInt([...]string{"workers", "batch", "delay", "format"}[i], 0, n-1)
			if err != nil {
				return 0, err
			}
			place[i] = v
		}
		rate, more := ask(spaceSettings(p.workers[place[0]], p.batches[place[1]], p.delays[place[2]], p.formats[place[3]]))
		if !more {
			return rate, errEnough
		}
		return rate, nil
	}, mostAgain*counts[len(counts)-1])
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// searchHill climbs over batch size and workers from one of each, the other
// knobs left alone: to the best of the neighbours, until none is better.
func searchHill(p *problem, ask func(knob.Settings) (float64, bool)) error {
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
