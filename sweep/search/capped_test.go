package search_test

import (
	"testing"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// TestCapacityBelowTheLargestRate: no strategy plans a rate above the largest one, and no setting is searched further when
// it passes there.
func TestCapacityBelowTheLargestRate(t *testing.T) {
	const most = 73.333
	for _, strategy := range search.Available() {
		unpredicted, unpredictedPoints, unpredictedServer := remoteServer(t, plan.Capacity, "1,2", "1,8")
		predicted, predictedPoints, predictedServer := defaultProblem()
		predicted.Question, predicted.Loads = plan.Capacity, []load.Spec{{Mode: load.Open, Rate: 1}}
		for i := range predictedPoints {
			predictedPoints[i].Load = load.Spec{Mode: load.Open, Rate: 1}
		}
		for _, c := range []struct {
			name   string
			plan   plan.Plan
			points []plan.Point
			server fakeServer
		}{{"without predictions", unpredicted, unpredictedPoints, unpredictedServer}, {"with predictions", predicted, predictedPoints, predictedServer}} {
			p := c.plan
			p.Strategy, p.MaxRate, p.Budget.LoadTests = strategy, most, 4
			passed := map[any]bool{}
			h := runAll(t, p, c.points, c.server)
			for _, r := range h.Trials {
				if r.Load.Rate > most {
					t.Errorf("%s, %s: trial %d has %g requests/s", strategy, c.name, r.N, r.Load.Rate)
				}
				if passed[r.Settings] && r.Role == trial.RoleLoad {
					t.Errorf("%s, %s: trial %d searches %v further", strategy, c.name, r.N, r.Settings)
				}
				if r.Load.Rate == plan.RoundRate(most) && r.Verdict.Result == trial.Pass {
					passed[r.Settings] = true
				}
			}
			if len(passed) == 0 {
				t.Errorf("%s, %s: no setting reached the largest rate in %d trials", strategy, c.name, len(h.Trials))
			}
		}
	}
}
