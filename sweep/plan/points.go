package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Point is one setting under one load, ready to be measured. It has the shape
// of the sweep's own point; a matched load is resolved. Reason holds what
// speaks against a point that the plan names all the same.
type Point struct {
	Settings  knob.Settings
	Load      load.Spec // of question capacity an open one; its rate 0 is still to be found
	Role      trial.Role
	Reason    string
	Predicted *trial.Predicted // what is expected of it; nil is nothing
}

// machine is what a plan is resolved against.
type environment struct {
	limits knob.Limits
	base   knob.Settings
	fixed  map[knob.Name]string
}

// Points expands a valid plan, resolved against the same limits, to its points in
// the order of trying: nested loops over the knobs in the table's order, the target's
// own behind the seven, the last one and then the load
// fastest, or shuffled by the seed. base gives the knobs that the plan leaves
// alone; fixed says, with the reason, which knobs cannot leave base's value.
//
// What cannot be is skipped with its reason, once per value. What can be but
// is no use is skipped where a range is auto, and kept with a warning in
// Reason where the plan names the values itself.
func (p Plan) Points(limits knob.Limits, base knob.Settings, fixed map[knob.Name]string) ([]Point, []trial.Skip) {
	limits.Rule = p.Options.Rule
	m := environment{limits, base, fixed}
	ranges, skipped := p.ranges(m)
	g := expansion{plan: p, env: m, knobs: limits.Table(), ranges: ranges, skipped: skipped, loads: make(map[load.Spec]bool)}
	g.expand(0, base)
	if p.Order == Shuffled {
		r := rand.New(rand.NewPCG(p.Seed, 0))
		r.Shuffle(len(g.points), func(i, j int) { g.points[i], g.points[j] = g.points[j], g.points[i] })
	}
	return g.points, g.skipped
}

// ranges returns the possible values of every knob, in the table's order, and
// what is impossible whatever the other knobs are.
func (p Plan) ranges(m environment) ([][]string, []trial.Skip) {
	var (
		out     [][]string
		skipped []trial.Skip
	)
	for _, k := range m.limits.Table() {
		var possible []string
		for _, v := range p.values(k, m) {
			why := m.whyImpossible(k.Name, v)
			if why == "" {
				possible = append(possible, v)
				continue
			}
			s := m.base
			if s.Set(k.Name, v) == nil {
				skipped = append(skipped, trial.Skip{Settings: s, Reason: why})
			}
		}
		if len(possible) == 0 && p.Knobs[k.Name] == knob.Auto {
			possible = []string{m.base.Get(k.Name)}
		}
		out = append(out, possible)
	}
	return out, skipped
}

// impossible says why a knob cannot take a value here, or "".
func (m environment) whyImpossible(n knob.Name, value string) string {
	if why, ok := m.fixed[n]; ok && value != m.base.Get(n) {
		return fmt.Sprintf("%s stays at %s: %s", n, m.base.Display(n), why)
	}
	if !m.base.Has(n) && value == m.base.Get(n) && slices.Contains(m.limits.Unreported, n) {
		return "" // it stays what it is, whatever that may be
	}
	if err := checkValue(n, value, m.limits); err != nil {
		return err.Error()
	}
	if all := m.limits.Devices(); n == knob.Device && all != nil {
		s := m.base
		s.Device, s.Workers = value, 1
		for _, s.Precision = range m.limits.Precisions() {
			if m.limits.CheckPlace(s) == nil {
				return ""
			}
		}
		return fmt.Sprintf("device: %s is not there; there is %s", value, strings.Join(all, ", "))
	}
	return ""
}

// grid walks the combinations.
type expansion struct {
	plan    Plan
	env environment
	knobs   knob.Table
	ranges  [][]string // by knob, in the table's order
	points  []Point
	skipped []trial.Skip
	loads   map[load.Spec]bool // resolved loads of the settings at hand
}

func (g *expansion) expand(depth int, s knob.Settings) {
	if depth == len(g.knobs) {
		g.addSettings(s)
		return
	}
	for _, v := range g.ranges[depth] {
		if s.Set(g.knobs[depth].Name, v) == nil { // checked in ranges
			g.expand(depth+1, s)
		}
	}
}

// settings adds the points of one setting, one per load.
func (g *expansion) addSettings(s knob.Settings) {
	clear(g.loads)
	if err := g.env.limits.CheckPlace(s); err != nil {
		g.skipped = append(g.skipped, trial.Skip{Settings: s, Reason: err.Error()})
		return
	}
	useless, warnings := g.assess(s)
	if useless != "" {
		g.skipped = append(g.skipped, trial.Skip{Settings: s, Reason: useless})
		return
	}
	for _, spec := range g.plan.pointLoads() {
		l := spec.For(s.Workers * s.BatchSize)
		if l.Matched && l.Concurrency == 0 {
			g.skipped = append(g.skipped, trial.Skip{Settings: s, Reason: "a matched load follows workers x batch size, and the target does not tell them: give a concurrency"})
			continue
		}
		if g.loads[l] {
			continue
		}
		g.loads[l] = true
		useless, more := g.assessLoad(s, l)
		if useless != "" {
			g.skipped = append(g.skipped, trial.Skip{Settings: s, Reason: useless})
			continue
		}
		g.points = append(g.points, Point{
			Settings: s, Load: l, Role: trial.RoleLoad,
			Reason: strings.Join(append(warnings[:len(warnings):len(warnings)], more...), "; "),
		})
	}
}

// RoundRate returns a rate to four digits, as people say it.
func RoundRate(rate float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(rate, 'g', 4, 64), 64)
	if err != nil {
		return rate // what FormatFloat writes reads back
	}
	return r
}

// asked are the loads that a setting is tried under: for the highest load, an
// open one whose rate is to be found.
func (p Plan) pointLoads() []load.Spec {
	if p.Question != Capacity {
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

// objections returns why a setting is not worth a trial, if an auto range made it,
// or warnings if the plan did.
func (g *expansion) assess(s knob.Settings) (useless string, warnings []string) {
	judge := func(why string, of ...knob.Name) {
		switch {
		case why == "":
		case g.isAuto(of...):
			useless = why
		default:
			warnings = append(warnings, why)
		}
	}
	judge(g.oversubscribed(s), knob.Workers, knob.Threads)
	judge(g.delayUnused(s), knob.BatchSize, knob.BatchDelay)
	judge(g.delayTooLong(s), knob.BatchDelay)
	return useless, warnings
}

// loadDoubts is doubts for a setting under a load.
func (g *expansion) assessLoad(s knob.Settings, l load.Spec) (useless string, warnings []string) {
	if l.Mode != load.Closed {
		return "", nil
	}
	if s.BatchSize > l.Concurrency {
		why := fmt.Sprintf("batch size %d above concurrency %d: no batch fills, so each waits the whole delay", s.BatchSize, l.Concurrency)
		if g.isAuto(knob.BatchSize) {
			return why, nil
		}
		warnings = append(warnings, why)
	}
	if room := s.QueueSize + s.Workers*s.BatchSize; s.Has(knob.QueueSize) && l.Concurrency > room {
		warnings = append(warnings, fmt.Sprintf("concurrency %d above the %d that queue and workers hold: the rest is refused", l.Concurrency, room))
	}
	return "", warnings
}

// auto tells whether the plan leaves one of the knobs to the program.
func (g *expansion) isAuto(names ...knob.Name) bool {
	for _, n := range names {
		if g.plan.Knobs[n] == knob.Auto {
			return true
		}
	}
	return false
}

func (g *expansion) oversubscribed(s knob.Settings) string {
	cores := g.env.limits.Cores
	if cores == 0 || s.Device != "cpu" || s.Workers*s.Threads <= cores {
		return ""
	}
	return fmt.Sprintf("workers x threads is %d x %d, above %d cores: they wait for one another", s.Workers, s.Threads, cores)
}

// inert finds settings that differ from another one in the plan by a delay that
// nothing waits for.
func (g *expansion) delayUnused(s knob.Settings) string {
	for i, k := range g.knobs {
		if k.Name != knob.BatchDelay {
			continue
		}
		if first := g.ranges[i][0]; s.BatchSize == 1 && s.Get(k.Name) != first {
			return fmt.Sprintf("batch size 1 waits for nothing: same as delay %s ms", first)
		}
	}
	return ""
}

// hopeless finds a delay that alone can use up the promise.
func (g *expansion) delayTooLong(s knob.Settings) string {
	sla := g.plan.SLA
	if s.BatchSize == 1 || sla.Latency != trial.RequestLatency || s.BatchDelay < sla.Limit {
		return ""
	}
	return fmt.Sprintf("delay %s ms is not below the limit of %v: a batch that does not fill breaks the promise", s.Get(knob.BatchDelay), sla.Limit)
}
