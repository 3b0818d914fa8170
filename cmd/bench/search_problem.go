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

// space has the values of the knobs of a problem.
type space struct {
	workers, batches []int
	delays           []int // ms
	formats          []knob.Precision
}

// fullSpace has 4 x 6 x 6 x 2 = 288 settings.
func fullSpace() space {
	return space{
		workers: []int{1, 2, 3, 4}, batches: []int{1, 2, 4, 8, 16, 32}, delays: []int{0, 1, 2, 5, 10, 20},
		formats: []knob.Precision{knob.FullPrecision, knob.HalfPrecision},
	}
}

// settings returns all settings of the space.
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

// spaceSettings returns settings with these values and default values for the other knobs.
func spaceSettings(workers, batch, delayMS int, f knob.Precision) knob.Settings {
	s := knob.Default(knob.Eager)
	s.Workers, s.BatchSize, s.BatchDelay, s.Precision = workers, batch, time.Duration(delayMS)*time.Millisecond, f
	s.QueueSize = 1000
	return s
}

// knobs returns the space as the knobs of a plan.
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

// difficulty is what a problem has that searches do not expect.
type difficulty uint8

// The difficulties.
const (
	plainProblem  difficulty = iota
	kinkProblem              // above a batch size, batches take longer by a factor
	driftProblem             // the device becomes slower and faster
	wakeUpProblem            // workers take longer to wake up
)

func (h difficulty) String() string {
	return [...]string{"plain", "kink", "drift", "wake-up"}[h]
}

// problem is a simulated device whose best settings are known.
type problem struct {
	space
	exactRequests  int // requests of each run that determines a true value
	seed           uint64
	difficulty     difficulty
	table          *servicetime.Table
	wake           time.Duration
	driftAmplitude float64 // largest relative change of the speed by the drift
	sla            trial.SLA

	sim          *predict.Sim
	roughHighest map[knob.Settings]float64 // approximate highest rate, requests/s, from a short run; 0 if none keeps the promise
	highest      map[knob.Settings]float64 // true highest rate of some settings
	bestRate     float64                   // highest rate of all settings
}

// A problem is used if enough settings can keep the promise and not too many are as good as the
// best.
const (
	minFeasible = .15  // share of the settings that keep the promise at some rate
	maxSimilar  = .25  // share of the settings that are as good as the best
	similar     = .97  // share of the best rate from which on settings are as good as the best
	maxDraws    = 1000 // draws of a problem
)

// The best settings are found in rounds: the best ones of a round are in the next one, with longer
// runs.
const (
	roughRequests  = 1000 // requests
	betterRequests = 8000
	betterSettings = 64 // settings in the second round
	exactSettings  = 16 // settings in the third round, whose runs have exactRequests
)

// drawProblem draws devices and promises until a problem can be used.
func drawProblem(of space, exact int, seed uint64, wanted difficulty) (*problem, error) {
	rng := rand.New(rand.NewPCG(seed, 0x70726f62))
	for range maxDraws {
		p := &problem{space: of, exactRequests: exact, seed: seed, difficulty: wanted, wake: serverWake}
		if err := p.drawDevice(rng); err != nil {
			return nil, err
		}
		if p.solve() {
			return p, nil
		}
	}
	return nil, fmt.Errorf("problem %d: no problem that can be used in %d draws", seed, maxDraws)
}

// uniform draws from a range, between likewise but uniformly on the logarithmic scale.
func uniform(rng *rand.Rand, low, high float64) float64 { return low + (high-low)*rng.Float64() }

func between(rng *rand.Rand, low, high float64) float64 {
	return low * math.Exp(rng.Float64()*math.Log(high/low))
}

// drawDevice draws service-time curves and the promise, whose limit is a multiple of the shortest
// time of one item.
func (p *problem) drawDevice(rng *rand.Rand) error {
	var (
		one      = between(rng, 1, 20) // ms
		fixed    = uniform(rng, .1, .9)
		gain     = uniform(rng, 0, .95) // w workers together have w^gain times the rate of one
		spread   = uniform(rng, .02, .12)
		knee     = uniform(rng, 4, 32)
		steeper  = uniform(rng, 0, .6)
		halfBase = uniform(rng, .45, 1.1)
		halfEach = uniform(rng, .45, 1.1)
		kink     = uniform(rng, 2, 24)
		jump     = uniform(rng, .2, .6)
	)
	var rows []servicetime.Row
	for _, w := range fullSpace().workers {
		disturbed := math.Pow(float64(w), 1-gain) * math.Exp(.05*rng.NormFloat64())
		for _, format := range fullSpace().formats {
			base, each := one*fixed, one*(1-fixed)
			if format == knob.HalfPrecision {
				base, each = base*halfBase, each*halfEach
			}
			for _, b := range []int{1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32} {
				ms := base + each*(float64(b)+steeper*max(0, float64(b)-knee))
				if p.difficulty == kinkProblem && float64(b) > kink {
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
	switch p.difficulty {
	case driftProblem:
		p.driftAmplitude = uniform(rng, .03, .08)
	case wakeUpProblem:
		p.wake = time.Duration(between(rng, .05, .3) * one * 1e6)
	}
	fastest := one * min(1, fixed*halfBase+(1-fixed)*halfEach)
	p.sla = trial.SLA{Percentile: 99, Limit: time.Duration(1000*fastest*between(rng, 2.5, 15)) * time.Microsecond}
	var err error
	p.table, err = servicetime.New(rows)
	return err
}

// plan returns the plan of a search for the highest rate that keeps the promise.
func (p *problem) plan(strategy string) plan.Plan {
	out := plan.Default()
	out.Model, out.Target = "sim:problem", "virtual"
	out.Options = knob.Options{Rule: knob.Eager}
	out.Question, out.SLA, out.Strategy, out.Seed = plan.Capacity, p.sla, strategy, p.seed
	out.Budget.Time = 0 // virtual time is not limited
	out.Knobs = p.space.knobs()
	return out
}

// solve finds the true highest rate and reports whether the problem can be used.
func (p *problem) solve() bool {
	all := p.settings()
	p.sim = predict.New(p.config(all[0]))
	p.roughHighest, p.highest, p.bestRate = make(map[knob.Settings]float64, len(all)), map[knob.Settings]float64{}, 0
	feasible := 0
	for _, s := range all {
		p.roughHighest[s] = predict.MaxRate(p.sim, p.config(s), load.Poisson, roughRequests, predict.Promise{Q: .99, Limit: p.sla.Limit})
		if p.roughHighest[s] > 0 {
			feasible++
		}
	}
	all = p.sortByRate(all, p.roughHighest)
	similarCount := slices.IndexFunc(all, func(s knob.Settings) bool { return p.roughHighest[s] < similar*p.roughHighest[all[0]] })
	if float64(feasible) < minFeasible*float64(len(all)) || similarCount < 0 || float64(similarCount) > maxSimilar*float64(len(all)) {
		return false
	}
	better := map[knob.Settings]float64{}
	all = all[:min(betterSettings, len(all))]
	for _, s := range all {
		better[s] = p.searchHighest(s, betterRequests)
	}
	all = p.sortByRate(all, better)
	for _, s := range all[:min(exactSettings, len(all))] {
		p.bestRate = max(p.bestRate, p.highestRate(s))
	}
	return p.bestRate > 0
}

// sortByRate sorts settings by their highest rate, the best first.
func (p *problem) sortByRate(all []knob.Settings, by map[knob.Settings]float64) []knob.Settings {
	slices.SortStableFunc(all, func(a, b knob.Settings) int { return cmp.Compare(by[b], by[a]) })
	return all
}

// highestRate returns the true highest rate of settings.
func (p *problem) highestRate(s knob.Settings) float64 {
	if _, cached := p.highest[s]; !cached {
		p.highest[s] = p.searchHighest(s, p.exactRequests)
	}
	return p.highest[s]
}

// config returns the simulated device with these settings.
func (p *problem) config(s knob.Settings) predict.Config {
	curve, err := p.table.Curve(servicetime.Key{Workers: s.Workers, Device: s.Device, Precision: s.Precision.String()})
	if err != nil {
		panic("bench: " + err.Error()) // cannot happen: drawDevice makes rows for all settings
	}
	return predict.Config{Settings: s, Rule: knob.Eager, Service: curve, Wake: p.wake, Seed: p.seed}
}

// searchHighest searches the highest rate of settings near the approximate one, with runs of this
// number of requests. All settings have the same arrivals, scaled to the rate.
func (p *problem) searchHighest(s knob.Settings, requests int) float64 {
	const step, precise = .05, .002
	rough := p.roughHighest[s]
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
	for high > rough && keeps(high) { // if high is rough, a higher rate than low has failed already
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

// regret returns the loss of settings, as a share of the best rate.
func (p *problem) regret(s knob.Settings) float64 {
	return max(0, 1-p.highestRate(s)/p.bestRate)
}
