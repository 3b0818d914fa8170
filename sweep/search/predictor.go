package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search/gaussian"
	"sweetspot/sweep/trial"
)

// predictor predicts the points of a plan. It caches results, which depend only on the plan and the
// history.
type predictor struct {
	prober
	plan         plan.Plan
	rules        rank.Rules
	points       []plan.Point
	maxLoadTests int // maximal number of load tests; may exceed the number of points
	index        map[pointKey]int
	traces       map[string][]time.Duration
	truncations  []string // in words, traces that are simulated only in part
	everyPoint   bool     // the highest rate of every point is wanted, not only the best
	noPrediction string   // why no prediction is possible; "" if it is
	unprobed     bool     // without the simulator, points are predicted from the tests

	cachedSpace []gaussian.Axis

	firstFound  []trial.Probe // probes from which secondStage was computed
	secondStage []probeKey

	cachedFor       []trial.Probe // probes from which the following fields were computed
	cachedSim       *simulator
	cachedForecasts []forecast // by point
	timeFactors     map[trialKey]float64
	highestRates    map[rateKey]float64
}

// newPredictor returns a predictor of the points, which it copies. The error says why a trace
// cannot be read.
func newPredictor(p plan.Plan, points []plan.Point, t trial.MetricSet) (*predictor, error) {
	pr := &predictor{
		prober: newProber(p, points), plan: p, rules: rank.RulesOf(p), points: slices.Clone(points), index: map[pointKey]int{},
		maxLoadTests: p.Budget.LoadTests, noPrediction: whyUnpredictable(points, t, p.Options.Rule),
	}
	if pr.maxLoadTests <= 0 {
		pr.maxLoadTests = len(points)
	}
	for i, p := range points {
		pr.index[pr.keyOf(p.Settings, p.Load)] = i
	}
	var err error
	pr.traces, pr.truncations, err = readTraces(points, simulatedTrace)
	return pr, err
}

// nothingPredicted is the start of what whyUnpredictable says.
const nothingPredicted = "nothing is predicted, because "

// whyUnpredictable says why the simulator cannot predict the points; "" if it can. It needs the
// service times, the batching rule and the common knobs, which the target must report, and it simulates only the seven knobs of the engine:
// it cannot predict points that differ in the target's own knobs.
func whyUnpredictable(points []plan.Point, t trial.MetricSet, r knob.Rule) string {
	if !t.HasServiceTimes() {
		return nothingPredicted + "the target does not report the times and sizes of its batches"
	}
	if r == knob.RuleUnreported {
		return nothingPredicted + "the target does not report its batching rule"
	}
	for _, p := range points {
		for _, n := range []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay} {
			if !p.Settings.Has(n) {
				return nothingPredicted + fmt.Sprintf("the target does not report its %s", n)
			}
		}
		if own := p.Settings.Own; own != points[0].Settings.Own {
			var names []string
			for _, n := range own.Names() {
				names = append(names, string(n))
			}
			return nothingPredicted + fmt.Sprintf("the simulator does not know the effect of the target's own knobs (%s)", strings.Join(names, ", "))
		}
	}
	return ""
}

// maxTests returns the largest possible number of load tests.
func (pr *predictor) maxTests() int { return min(pr.maxLoadTests, len(pr.points)) }

// probe returns the next probe, if there is one.
func (pr *predictor) probe(found []trial.Probe) (plan.Point, bool) {
	if pr.noPrediction != "" {
		return plan.Point{}, false
	}
	return pr.prober.next(found, func() []probeKey { return pr.secondProbes(found) }, func(k probeKey) bool { return pr.unneeded(k, found) })
}

// secondProbes returns the probes of the second stage, which depend on the results of the first.
func (pr *predictor) secondProbes(found []trial.Probe) []probeKey {
	if len(pr.firstProbes) >= pr.maxProbes || !slices.Equal(pr.firstStageFor(found), pr.firstProbes) {
		return nil
	}
	var first []trial.Probe
	for _, p := range found {
		if slices.Contains(pr.firstProbes, probeKeyOf(p)) {
			first = append(first, p)
		}
	}
	if slices.EqualFunc(first, pr.firstFound, sameProbe) {
		return pr.secondStage
	}
	pr.firstFound, pr.secondStage = first, nil
	if sim := newSimulator(pr.plan, pr.traces, first); sim != nil {
		pr.secondStage = pr.prober.otherBatches(pr.byPromise(sim))
	}
	return pr.secondStage
}

// byPromise sorts the groups with probes by the best of their points, according to a rough
// prediction.
func (pr *predictor) byPromise(sim *simulator) []group {
	v := &view{predictor: pr, simulator: sim, forecasts: sim.forecasts(pr.points, simulatedToCompare)}
	v.calibrate()
	best := map[group]float64{}
	for i, p := range pr.points {
		g := groupOf(p.Settings)
		if x := v.expectation(i); x.pass > 0 {
			best[g] = max(best[g], x.rate*x.pass)
		}
	}
	groups := slices.Clone(sim.groups)
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(best[b], best[a]) })
	return groups
}

// simulatorFor returns the simulator with the times of the probes, nil without any.
func (pr *predictor) simulatorFor(found []trial.Probe) *simulator {
	if pr.noPrediction != "" {
		return nil
	}
	if !slices.EqualFunc(found, pr.cachedFor, sameProbe) {
		pr.cachedFor, pr.timeFactors, pr.highestRates = slices.Clone(found), map[trialKey]float64{}, map[rateKey]float64{}
		if pr.cachedSim = newSimulator(pr.plan, pr.traces, found); pr.cachedSim != nil {
			pr.cachedForecasts = pr.cachedSim.forecasts(pr.points, simulatedPerRate)
		}
	}
	return pr.cachedSim
}

// sameProbe reports whether two probes have the same settings and result.
func sameProbe(a, b trial.Probe) bool {
	return a.Settings == b.Settings && a.BatchSize == b.BatchSize && a.ServiceTime == b.ServiceTime && a.Error == b.Error
}

// forecasts predicts all points.
func (sim *simulator) forecasts(points []plan.Point, requests int) []forecast {
	out := make([]forecast, len(points))
	for i, p := range points {
		out[i] = sim.forecast(p, requests)
	}
	return out
}
