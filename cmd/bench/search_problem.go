package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// space is the settings of a problem.
type space struct {
	workers, batches []int
	delays           []int // ms
	formats          []knob.Precision
}

// wholeSpace is 4 x 6 x 6 x 2 = 288 settings.
func wholeSpace() space {
	return space{
		workers: []int{1, 2, 3, 4}, batches: []int{1, 2, 4, 8, 16, 32}, delays: []int{0, 1, 2, 5, 10, 20},
		formats: []knob.Precision{knob.FullPrecision, knob.HalfPrecision},
	}
}

// settings are those of the space.
func (s space) settings() []knob.Settings {
	var out []knob.Settings
	for _, w := range s.workers {
		for _, b := range s.batches {
			for _, d := range s.delays {
				for _, f := range s.formats {
					out = append(out, spaceSettings(w, b, d, f))
				}
			}
		}
	}
	return out
}

func spaceSettings(workers, batch, delayMS int, f knob.Precision) knob.Settings {
	s := knob.Default(knob.Eager)
	s.Workers, s.BatchSize, s.BatchDelay, s.Precision = workers, batch, time.Duration(delayMS)*time.Millisecond, f
	s.QueueSize = 1000
	return s
}

// knobs is the space as a plan has it.
func (s space) knobs() map[knob.Name]string {
	list := func(v []int) string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]") }
	formats := make([]string, len(s.formats))
	for i, f := range s.formats {
		formats[i] = f.String()
	}
	return map[knob.Name]string{
		knob.Workers: list(s.workers), knob.BatchSize: list(s.batches), knob.BatchDelay: list(s.delays),
		knob.FP16: strings.Join(formats, ","),
	}
}

// hardship is what a problem has that searches do not expect.
type hardship uint8

// The hardships.
const (
	plain hardship = iota
	kinked
	drifting
	sleepy
)

func (h hardship) String() string {
	return [...]string{"plain", "kink", "drift", "wake-up"}[h]
}

// problem is a device whose best settings are known.
type problem struct {
	space
	exact int // requests of the runs that the truth comes from
	seed  uint64
	hard  hardship
	table *servicetime.Table
	wake  time.Duration
	swing float64 // share by which a drifting device gets slower and faster
	sla   trial.SLA

	sim     *predict.Sim
	rough   map[knob.Settings]float64 // highest load, requests/s, by a short run; 0 is none
	highest map[knob.Settings]float64 // the true one, of those that were asked for
	best    float64                   // of all settings
}

// A problem is one if some settings keep the promise, and if not too many are as
// good as the best.
const (
	leastAble = .15 // share of the settings
	mostAlike = .25 // likewise
	alike     = .97 // of the best
	mostDrawn = 1000
)

// The truth is found in rounds: the best of one go to the next, with longer
// runs.
const (
	roughRuns  = 1000 // requests
	betterRuns = 8000
	betterOf   = 64 // settings
	exactOf    = 16 // with runs of the budget's length
)

// drawProblem draws devices and promises until one is worth searching.
func drawProblem(of space, exact int, seed uint64, hard hardship) (*problem, error) {
	rng := rand.New(rand.NewPCG(seed, 0x70726f62))
	for range mostDrawn {
		p := &problem{space: of, exact: exact, seed: seed, hard: hard, wake: serverWake}
		if err := p.drawDevice(rng); err != nil {
			return nil, err
		}
		if p.solve() {
			return p, nil
		}
	}
	return nil, fmt.Errorf("problem %d: none worth searching in %d draws", seed, mostDrawn)
}

// uniform and between draw from a range, between evenly on the logarithmic scale.
func uniform(rng *rand.Rand, low, high float64) float64 { return low + (high-low)*rng.Float64() }

func between(rng *rand.Rand, low, high float64) float64 {
	return low * math.Exp(rng.Float64()*math.Log(high/low))
}

// drawDevice draws service curves, and the promise: a limit at a multiple of the
// fastest time of one item.
func (p *problem) drawDevice(rng *rand.Rand) error {
	var (
		one      = between(rng, 1, 20) // ms
		fixed    = uniform(rng, .1, .9)
		gain     = uniform(rng, 0, .95) // w workers together do w^gain of one's work
		spread   = uniform(rng, .02, .12)
		knee     = uniform(rng, 4, 32)
		steeper  = uniform(rng, 0, .6)
		halfBase = uniform(rng, .45, 1.1)
		halfEach = uniform(rng, .45, 1.1)
		kink     = uniform(rng, 2, 24)
		jump     = uniform(rng, .2, .6)
	)
	var rows []servicetime.Row
	for _, w := range wholeSpace().workers {
		disturbed := math.Pow(float64(w), 1-gain) * math.Exp(.05*rng.NormFloat64())
		for _, format := range wholeSpace().formats {
			base, each := one*fixed, one*(1-fixed)
			if format == knob.HalfPrecision {
				base, each = base*halfBase, each*halfEach
			}
			for _, b := range []int{1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32} {
				ms := base + each*(float64(b)+steeper*max(0, float64(b)-knee))
				if p.hard == kinked && float64(b) > kink {
					ms *= 1 + jump
				}
				ms *= disturbed * math.Exp(.02*rng.NormFloat64())
				rows = append(rows, servicetime.Row{
					Key:   servicetime.Key{Workers: w, Device: "cpu", Precision: format.String()},
					Batch: b, Median: time.Duration(ms * 1e6), Spread: spread,
				})
			}
		}
	}
	switch p.hard {
	case drifting:
		p.swing = uniform(rng, .03, .08)
	case sleepy:
		p.wake = time.Duration(between(rng, .05, .3) * one * 1e6)
	}
	fastest := one * min(1, fixed*halfBase+(1-fixed)*halfEach)
	p.sla = trial.SLA{Percentile: 99, Limit: time.Duration(1000*fastest*between(rng, 2.5, 15)) * time.Microsecond}
	var err error
	p.table, err = servicetime.New(rows)
	return err
}

// plan is the question: the highest load that keeps the promise.
func (p *problem) plan(strategy string) plan.Plan {
	out := plan.Default()
	out.Model, out.Target = "sim:problem", "virtual"
	out.Options = knob.Options{Rule: knob.Eager}
	out.Question, out.SLA, out.Strategy, out.Seed = plan.Capacity, p.sla, strategy, p.seed
	out.Budget.Time = 0 // virtual time costs none
	out.Knobs = p.space.knobs()
	return out
}

// solve finds the true highest loads and tells whether the problem is one.
func (p *problem) solve() bool {
	all := p.settings()
	p.sim = predict.New(p.config(all[0]))
	p.rough, p.highest, p.best = make(map[knob.Settings]float64, len(all)), map[knob.Settings]float64{}, 0
	able := 0
	for _, s := range all {
		p.rough[s] = predict.MaxRate(p.sim, p.config(s), load.Poisson, roughRuns, predict.Promise{Q: .99, Limit: p.sla.Limit})
		if p.rough[s] > 0 {
			able++
		}
	}
	all = p.leading(all, p.rough)
	like := slices.IndexFunc(all, func(s knob.Settings) bool { return p.rough[s] < alike*p.rough[all[0]] })
	if float64(able) < leastAble*float64(len(all)) || like < 0 || float64(like) > mostAlike*float64(len(all)) {
		return false
	}
	better := map[knob.Settings]float64{}
	all = all[:min(betterOf, len(all))]
	for _, s := range all {
		better[s] = p.limit(s, betterRuns)
	}
	all = p.leading(all, better)
	for _, s := range all[:min(exactOf, len(all))] {
		p.best = max(p.best, p.reach(s))
	}
	return p.best > 0
}

// leading sorts settings by their highest load.
func (p *problem) leading(all []knob.Settings, by map[knob.Settings]float64) []knob.Settings {
	slices.SortStableFunc(all, func(a, b knob.Settings) int { return cmp.Compare(by[b], by[a]) })
	return all
}

// reach is the true highest load of settings.
func (p *problem) reach(s knob.Settings) float64 {
	if _, known := p.highest[s]; !known {
		p.highest[s] = p.limit(s, p.exact)
	}
	return p.highest[s]
}

// config is the true device with the settings.
func (p *problem) config(s knob.Settings) predict.Config {
	curve, err := p.table.Curve(servicetime.Key{Workers: s.Workers, Device: s.Device, Precision: s.Precision.String()})
	if err != nil {
		panic("bench: " + err.Error()) // drawDevice has rows for all settings
	}
	return predict.Config{Settings: s, Rule: knob.Eager, Service: curve, Wake: p.wake, Seed: p.seed}
}

// limit is the highest load of settings by runs of so many requests, looked for
// around the rough one. All settings meet the same arrivals, stretched.
func (p *problem) limit(s knob.Settings, requests int) float64 {
	const step, precise = .05, .002
	rough := p.rough[s]
	if rough == 0 {
		return 0
	}
	unit := load.Plan(load.Spec{Mode: load.Open, Rate: 1}, p.seed, math.MaxInt64, requests)
	c := p.config(s)
	c.Plan = make([]time.Duration, len(unit))
	keeps := func(rate float64) bool {
		for i, at := range unit {
			c.Plan[i] = time.Duration(float64(at) / rate)
		}
		p.sim.Reset(c)
		p.sim.Run()
		return p.sim.Refused() == 0 && p.sim.Quantile(.99) <= float64(p.sla.Limit)/1e6
	}
	low, high := rough, rough*(1+step)
	for !keeps(low) {
		if low, high = low*(1-step), low; low < rough/4 {
			return 0
		}
	}
	for high > rough && keeps(high) { // one below was seen to break it
		low, high = high, high*(1+step)
	}
	for high-low > precise*low {
		if mid := (low + high) / 2; keeps(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// regret is the share of the best load that settings give away.
func (p *problem) regret(s knob.Settings) float64 {
	return max(0, 1-p.reach(s)/p.best)
}
