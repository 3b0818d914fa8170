package plan

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Point is one setting under one load, to be measured. A matched load has its concurrency.
type Point struct {
	Settings  knob.Settings
	Load      load.Spec // for question capacity an open load; a rate of 0 is not chosen yet
	Role      trial.Role
	Reason    string           // why it is measured, or warnings about it
	Predicted *trial.Predicted // the prediction, if there is one
}

// environment is the target's part of the arguments of Points.
type environment struct {
	limits knob.Limits
	base   knob.Settings
	fixed  map[knob.Name]string
}

// Points returns the points of a valid plan that is resolved for the same limits. The
// order is that of nested loops over the knobs, in the order of the table, and over the
// loads as the innermost loop; or it is shuffled with the seed. Knobs that the plan
// does not name have their values in base. fixed has the knobs that must keep their
// value in base, with the reasons.
//
// An impossible value is skipped once, with the reason. A possible setting that is not
// useful is skipped if the range is auto; if the plan names the values, it is kept and
// Reason has a warning.
func (p Plan) Points(limits knob.Limits, base knob.Settings, fixed map[knob.Name]string) ([]Point, []trial.Skip) {
	limits.Rule = p.Options.Rule
	env := environment{limits, base, fixed}
	ranges, skipped := p.ranges(env)
	e := expansion{plan: p, env: env, knobs: limits.Table(), ranges: ranges, skipped: skipped, loads: make(map[load.Spec]bool)}
	e.expand(0, base)
	if p.Order == Shuffled {
		r := rand.New(rand.NewPCG(p.Seed, 0))
		r.Shuffle(len(e.points), func(i, j int) { e.points[i], e.points[j] = e.points[j], e.points[i] })
	}
	return e.points, e.skipped
}

// ranges returns the possible values of every knob, in the order of the table, and the values that
// are impossible whatever values the other knobs have.
func (p Plan) ranges(env environment) ([][]string, []trial.Skip) {
	var (
		out     [][]string
		skipped []trial.Skip
	)
	for _, k := range env.limits.Table() {
		var possible []string
		for _, v := range p.values(k, env) {
			why := env.whyImpossible(k.Name, v)
			if why == "" {
				possible = append(possible, v)
				continue
			}
			s := env.base
			if s.Set(k.Name, v) == nil {
				skipped = append(skipped, trial.Skip{Settings: s, Reason: why})
			}
		}
		if len(possible) == 0 && p.Knobs[k.Name] == knob.Auto {
			possible = []string{env.base.Get(k.Name)}
		}
		out = append(out, possible)
	}
	return out, skipped
}

// whyImpossible returns why a knob cannot have a value, or "" if it can.
func (env environment) whyImpossible(n knob.Name, value string) string {
	if why, ok := env.fixed[n]; ok && value != env.base.Get(n) {
		return fmt.Sprintf("%s stays at %s: %s", n, env.base.Display(n), why)
	}
	if !env.base.Has(n) && value == env.base.Get(n) && slices.Contains(env.limits.Unreported, n) {
		return "" // the target does not report its value, which stays as it is
	}
	if err := checkValue(n, value, env.limits); err != nil {
		return err.Error()
	}
	if all := env.limits.Devices(); n == knob.Device && all != nil {
		s := env.base
		s.Device, s.Workers = value, 1
		why := ""
		for _, s.Precision = range env.limits.Precisions() {
			if env.limits.CheckPlace(s) == nil {
				return ""
			}
			why = cmp.Or(why, env.limits.WhyNot(s))
		}
		if why != "" {
			why = ": " + why
		}
		return fmt.Sprintf("device: the model cannot run on %s%s; it can run on %s", value, why, strings.Join(all, ", "))
	}
	return ""
}

// expansion collects the points of all combinations of values.
type expansion struct {
	plan    Plan
	env     environment
	knobs   knob.Table
	ranges  [][]string // by knob, in the order of the table
	points  []Point
	skipped []trial.Skip
	loads   map[load.Spec]bool // loads that the current settings have already, to skip duplicates
}

// expand adds the points of all combinations of the knobs from depth on.
func (e *expansion) expand(depth int, s knob.Settings) {
	if depth == len(e.knobs) {
		e.addSettings(s)
		return
	}
	n := e.knobs[depth].Name
	for _, v := range e.ranges[depth] {
		unreported := !e.env.base.Has(n) && v == e.env.base.Get(n) // it stays as it is
		if unreported || s.Set(n, v) == nil {                      // ranges has checked it
			e.expand(depth+1, s)
		}
	}
}

// addSettings adds the points of one setting, one for each load.
func (e *expansion) addSettings(s knob.Settings) {
	clear(e.loads)
	if err := e.env.limits.CheckPlace(s); err != nil {
		e.skipped = append(e.skipped, trial.Skip{Settings: s, Reason: err.Error()})
		return
	}
	skip, warnings := e.assess(s)
	if skip != "" {
		e.skipped = append(e.skipped, trial.Skip{Settings: s, Reason: skip})
		return
	}
	for _, spec := range e.plan.pointLoads() {
		l := spec.For(s.Workers * s.BatchSize)
		if l.Matched && l.Concurrency == 0 {
			e.skipped = append(e.skipped, trial.Skip{Settings: s, Reason: "a matched load needs workers x batch size, which the target does not report: give a concurrency"})
			continue
		}
		if e.loads[l] {
			continue
		}
		e.loads[l] = true
		skip, more := e.assessLoad(s, l)
		if skip != "" {
			e.skipped = append(e.skipped, trial.Skip{Settings: s, Reason: skip})
			continue
		}
		e.points = append(e.points, Point{
			Settings: s, Load: l, Role: trial.RoleLoad,
			Reason: strings.Join(append(warnings[:len(warnings):len(warnings)], more...), "; "),
		})
	}
}

// RoundRate rounds a rate to four significant digits, for people.
func RoundRate(rate float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(rate, 'g', 4, 64), 64)
	if err != nil {
		return rate // cannot happen: ParseFloat reads what FormatFloat writes
	}
	return r
}

// pointLoads returns the loads under which each setting is measured: those of the plan, or, for
// question capacity or replicas, an open load whose rate the strategy chooses.
func (p Plan) pointLoads() []load.Spec {
	if !p.Question.SeeksRate() {
		return p.Loads
	}
	out := load.Spec{Mode: load.Open}
	for _, l := range p.Loads {
		if l.Mode == load.Open {
			out.Arrivals = l.Arrivals
		}
	}
	return []load.Spec{out}
}

// assess checks whether a setting is useful. If it is not, it returns the reason to skip it if one
// of the responsible knobs is auto, and otherwise warnings.
func (e *expansion) assess(s knob.Settings) (skip string, warnings []string) {
	add := func(why string, responsible ...knob.Name) {
		switch {
		case why == "":
		case e.isAuto(responsible...):
			skip = why
		default:
			warnings = append(warnings, why)
		}
	}
	add(e.oversubscribed(s), knob.Workers, knob.Threads)
	add(e.delayUnused(s), knob.BatchSize, knob.BatchDelay)
	add(e.delayTooLong(s), knob.BatchDelay)
	return skip, warnings
}

// assessLoad is like assess, for a setting under a load.
func (e *expansion) assessLoad(s knob.Settings, l load.Spec) (skip string, warnings []string) {
	if l.Mode != load.Closed {
		return "", nil
	}
	if s.BatchSize > l.Concurrency {
		why := fmt.Sprintf("batch size %d is above concurrency %d: no batch fills, so each waits the whole delay", s.BatchSize, l.Concurrency)
		if e.isAuto(knob.BatchSize) {
			return why, nil
		}
		warnings = append(warnings, why)
	}
	reported := s.Has(knob.QueueSize) && s.Has(knob.Workers) && s.Has(knob.BatchSize)
	if capacity := s.QueueSize + s.Workers*s.BatchSize; reported && l.Concurrency > capacity {
		warnings = append(warnings, fmt.Sprintf("concurrency %d is above the %d requests for which queue and workers have room: the others are refused", l.Concurrency, capacity))
	}
	return "", warnings
}

// isAuto reports whether the range of one of the knobs is auto.
func (e *expansion) isAuto(names ...knob.Name) bool {
	for _, n := range names {
		if e.plan.Knobs[n] == knob.Auto {
			return true
		}
	}
	return false
}

// oversubscribed returns a text if all workers together have more threads than there are cores.
func (e *expansion) oversubscribed(s knob.Settings) string {
	cores := e.env.limits.Cores
	if cores == 0 || s.Device != "cpu" || s.Workers*s.Threads <= cores {
		return ""
	}
	return fmt.Sprintf("workers x threads is %d x %d, above %d cores: the threads wait for one another", s.Workers, s.Threads, cores)
}

// delayUnused returns a text if the setting differs from another one of the plan only in a delay
// that has no effect.
func (e *expansion) delayUnused(s knob.Settings) string {
	for i, k := range e.knobs {
		if k.Name != knob.BatchDelay {
			continue
		}
		if first := e.ranges[i][0]; s.BatchSize == 1 && s.Get(k.Name) != first {
			return fmt.Sprintf("a batch of size 1 never waits: same as delay %s ms", first)
		}
	}
	return ""
}

// delayTooLong returns a text if the delay alone can exceed the limit of the SLA.
func (e *expansion) delayTooLong(s knob.Settings) string {
	sla := e.plan.SLA
	if s.BatchSize == 1 || sla.Latency != trial.RequestLatency || s.BatchDelay < sla.Limit {
		return ""
	}
	return fmt.Sprintf("delay %s ms is not below the limit of %v: a batch that does not fill exceeds it", s.Get(knob.BatchDelay), sla.Limit)
}
