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

// predictor predicts the points of a plan. It caches results, which depend only on the plan and the
// history.
type oracle struct {
	scout
	plan   plan.Plan
	rules  rank.Rules
	points []plan.Point
	limit  int // maximal number of load tests; may exceed the number of points
	index  map[spot]int
	traces map[string][]time.Duration
	cut    []string // in words, traces that are simulated only in part
	whole  bool // the highest rate of every point is wanted, not only the best
	blind  string // why no prediction is possible; "" if it is

	looked []trial.Probe // probes from which secondStage was computed
	more   []probeKey

	known   []trial.Probe // probes from which the following fields were computed
	made    *model
	all     []forecast // by point
	factors map[factorKey]float64
	highest map[highestKey]float64
}

// newPredictor returns a predictor of the points, which it copies. The error says why a trace
// cannot be read.
func newOracle(p plan.Plan, points []plan.Point, t trial.Tells) (*oracle, error) {
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

// whyUnpredictable says why the simulator cannot predict the points; "" if it can. It needs the
// service times, which the target must report, and it simulates only the seven knobs of the engine:
// it cannot predict points that differ in the target's own knobs.
func unpredictable(points []plan.Point, t trial.Tells) string {
	if !t.ServiceTimes() {
		return "nothing is predicted, because the target does not report the times and sizes of its batches"
	}
	for _, p := range points {
		if own := p.Settings.Own; own != points[0].Settings.Own {
			var names []string
			for _, n := range own.Names() {
				names = append(names, string(n))
			}
			return fmt.Sprintf("nothing is predicted, because the simulator does not know the effect of the target's own knobs (%s)", strings.Join(names, ", "))
		}
	}
	return ""
}

// maxTests returns the largest possible number of load tests.
func (o *oracle) mostTests() int { return min(o.limit, len(o.points)) }

// probe returns the next probe, if there is one.
func (o *oracle) probe(found []trial.Probe) (plan.Point, bool) {
	if o.blind != "" {
		return plan.Point{}, false
	}
	return o.scout.next(found, func() []probeKey { return o.second(found) }, func(k probeKey) bool { return o.needless(k, found) })
}

// secondProbes returns the probes of the second stage, which depend on the results of the first.
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

// byPromise sorts the groups with probes by the best of their points, according to a rough
// prediction.
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

// simulatorFor returns the simulator with the times of the probes, nil without any.
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

// sameProbe reports whether two probes have the same settings and result.
func sameProbe(a, b trial.Probe) bool {
	return a.Settings == b.Settings && a.BatchSize == b.BatchSize && a.Service == b.Service && a.Error == b.Error
}

// forecasts predicts all points.
func (m *model) forecasts(points []plan.Point, requests int) []forecast {
	out := make([]forecast, len(points))
	for i, p := range points {
		out[i] = m.forecast(p, requests)
	}
	return out
}
