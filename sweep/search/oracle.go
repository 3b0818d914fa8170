package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// oracle is a plan's points with what predicts them. What it remembers follows
// from the histories it was shown, so that two oracles of one plan answer alike.
type oracle struct {
	scout
	plan   plan.Plan
	rules  rank.Rules
	points []plan.Point
	limit  int // load tests; may be more than there are points
	index  map[spot]int
	traces map[string][]time.Duration
	cut    []string // what predictions do not see of traces
	whole  bool     // every point's highest rate is wanted, not only the best one's
	blind  string   // why nothing can be predicted; "" where it can

	looked []trial.Probe // what more comes from
	more   []probeKey

	known   []trial.Probe // what made, all and factors come from
	made    *model
	all     []forecast // by point
	factors map[factorKey]float64
	highest map[highestKey]float64
}

func newOracle(p plan.Plan, points []plan.Point, t trial.MetricSet) (*oracle, error) {
	o := &oracle{
		scout: newScout(p, points), plan: p, rules: rank.RulesOf(p), points: slices.Clone(points), index: map[spot]int{},
		limit: p.Budget.LoadTests, blind: unpredictable(points, t),
	}
	if o.limit <= 0 {
		o.limit = len(points)
	}
	for i, p := range points {
		o.index[o.spotOf(p.Settings, p.Load)] = i
	}
	var err error
	o.traces, o.cut, err = readTraces(points, simulatedTrace)
	return o, err
}

// unpredictable says why the simulator knows nothing of points, "" where it does.
// Predictions are made of the times of batches, which the target has to tell, and know
// what the seven knobs do: points that differ in one of the target's own are out of
// their reach.
func unpredictable(points []plan.Point, t trial.MetricSet) string {
	if !t.HasServiceTimes() {
		return "nothing is predicted, as the target does not tell the times and sizes of its batches"
	}
	for _, p := range points {
		if own := p.Settings.Own; own != points[0].Settings.Own {
			var names []string
			for _, n := range own.Names() {
				names = append(names, string(n))
			}
			return fmt.Sprintf("nothing is predicted, as no simulator knows what the target's own knobs do (%s)", strings.Join(names, ", "))
		}
	}
	return ""
}

// mostTests is how many points can be tested.
func (o *oracle) mostTests() int { return min(o.limit, len(o.points)) }

// probe is the next probe to make, if there is one.
func (o *oracle) probe(found []trial.Probe) (plan.Point, bool) {
	if o.blind != "" {
		return plan.Point{}, false
	}
	return o.scout.next(found, func() []probeKey { return o.second(found) }, func(k probeKey) bool { return o.needless(k, found) })
}

// second are the probes of the second stage, by what those of the first say.
func (o *oracle) second(found []trial.Probe) []probeKey {
	if len(o.first) >= o.most || !slices.Equal(o.affordable(found), o.first) {
		return nil
	}
	var first []trial.Probe
	for _, p := range found {
		if slices.Contains(o.first, keyOf(p)) {
			first = append(first, p)
		}
	}
	if slices.EqualFunc(first, o.looked, sameProbe) {
		return o.more
	}
	o.looked, o.more = first, nil
	if m := newModel(o.plan, o.traces, first); m != nil {
		o.more = o.scout.between(o.promising(m))
	}
	return o.more
}

// promising orders the probed groups by the best of their points, as far as a
// rough prediction tells.
func (o *oracle) promising(m *model) []group {
	v := &view{oracle: o, m: m, forecasts: m.forecasts(o.points, roughly)}
	v.calibrate()
	best := map[group]float64{}
	for i, p := range o.points {
		g := groupOf(p.Settings)
		if x := v.outlook(i); x.pass > 0 {
			best[g] = max(best[g], x.rate*x.pass)
		}
	}
	groups := slices.Clone(m.groups)
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(best[b], best[a]) })
	return groups
}

// model is what the probes found so far make, nil if that is nothing.
func (o *oracle) model(found []trial.Probe) *model {
	if o.blind != "" {
		return nil
	}
	if !slices.EqualFunc(found, o.known, sameProbe) {
		o.known, o.factors, o.highest = slices.Clone(found), map[factorKey]float64{}, map[highestKey]float64{}
		if o.made = newModel(o.plan, o.traces, found); o.made != nil {
			o.all = o.made.forecasts(o.points, simulatedRate)
		}
	}
	return o.made
}

func sameProbe(a, b trial.Probe) bool {
	return a.Settings == b.Settings && a.BatchSize == b.BatchSize && a.ServiceTime == b.ServiceTime && a.Error == b.Error
}

// forecasts predicts all points.
func (m *model) forecasts(points []plan.Point, requests int) []forecast {
	out := make([]forecast, len(points))
	for i, p := range points {
		out[i] = m.forecast(p, requests)
	}
	return out
}
