package search

import (
	"math"
	"testing"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// TestBestNext: a higher rate gains more but is served less often, and what is already known is not tried again.
func TestBestNext(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name      string
		search    rateSearch
		passed    float64
		low, high float64 // of the rate
		gain      float64
	}{
		{"just below the estimate", rateSearch{low: 900, high: 1100, estimate: 1000, most: inf}, 900, 950, 1000, .06},
		{"above the best of all settings", rateSearch{low: 900, high: 1100, estimate: 1000, most: inf}, 970, 980, 1005, .01},
		{"below a rate that did not pass", rateSearch{low: 900, high: 950, estimate: 1000, most: inf}, 900, 935, 949, .04},
		{"at most the largest rate", rateSearch{low: 900, high: inf, estimate: 1000, most: 930}, 900, 925, 930, .03},
		{"nothing is left between the rates", rateSearch{low: 900, high: 910, estimate: 905, most: inf}, 900, 0, 0, 0},
		{"it cannot exceed the best", rateSearch{low: 900, high: 1100, estimate: 1000, most: inf}, 1050, 0, 0, 0},
	} {
		rate, gain := c.search.bestNext(c.passed)
		if rate < c.low || rate > c.high || math.Abs(gain-c.gain) > .01 {
			t.Errorf("%s: %.1f/s, gain %.3f; want %g-%g/s, %g", c.name, rate, gain, c.low, c.high, c.gain)
		}
	}
}

// TestRefinement: no rate is refined for another question, without predictions, or if nothing passed.
func TestRefinement(t *testing.T) {
	capacity := plan.Plan{Question: plan.Capacity}
	passed := loadTest{trials: make([]trial.Trial, 3), rates: rateSearch{low: 900, high: 1100, estimate: 1000, most: math.Inf(1), done: true}}
	tried := passed
	tried.trials = make([]trial.Trial, maxRates)
	failed := passed
	failed.rates.low = 0
	for _, c := range []struct {
		name string
		plan plan.Plan
		sim  *simulator
		test loadTest
		want bool
	}{
		{"one more rate", capacity, &simulator{}, passed, true},
		{"another question", plan.Plan{}, &simulator{}, passed, false},
		{"another objective", plan.Plan{Question: plan.Capacity, Objective: plan.FewestWorkers}, &simulator{}, passed, false},
		{"without predictions", capacity, nil, passed, false},
		{"no rate is left", capacity, &simulator{}, tried, false},
		{"nothing passed", capacity, &simulator{}, failed, false},
	} {
		v := &view{predictor: &predictor{plan: c.plan, points: make([]plan.Point, 1)}, simulator: c.sim, tests: []loadTest{c.test}}
		p, ok := v.refinement()
		if ok != c.want || ok && !(p.Load.Rate > 900 && p.Load.Rate < 1100) {
			t.Errorf("%s: %v, %g/s; want %v", c.name, ok, p.Load.Rate, c.want)
		}
	}
}
