package search_test

import (
	"math"
	"testing"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// TestPredictions: after a sweep the predictions of all points, also of those without a test, are
// near what the server does.
func TestPredictions(t *testing.T) {
	t.Parallel()
	p, points, w := defaultProblem()
	h, s := runToEnd(t, p, points, w)
	all := s.(search.Predictor).Predictions(h)
	if len(all) != len(points) || len(h.Trials) == len(points) {
		t.Fatalf("%d predictions of %d points, %d of them tested", len(all), len(points), len(h.Trials))
	}
	within := 0
	for _, o := range all {
		truth := w.rate(o.Settings)
		if o.Throughput.Low.Or(math.Inf(1)) <= truth && truth <= o.Throughput.High.Or(0) {
			within++
		}
		if ratio := o.Throughput.Value.Or(0) / truth; ratio < .7 || ratio > 1.4 {
			t.Errorf("%v: predicted %v/s, is %.0f", o.Settings, o.Throughput, truth)
		}
		if kept := w.ms(o.Settings) <= 40; kept && o.Pass < .2 || !kept && w.ms(o.Settings) > 60 && o.Pass > .5 {
			t.Errorf("%v: chance %.2f at %.1f ms", o.Settings, o.Pass, w.ms(o.Settings))
		}
	}
	if within < len(all)*17/20 {
		t.Errorf("%d of %d rates are within the 95%% interval of their prediction", within, len(all))
	}
	if before := s.(search.Predictor).Predictions(trial.History{}); before != nil {
		t.Errorf("%d predictions before the first probe", len(before))
	}
}

// TestWhatIf: predictions under a load that was not measured are near what the server would do.
func TestWhatIf(t *testing.T) {
	t.Parallel()
	p, points, w := defaultProblem()
	h, _ := runToEnd(t, p, points, w)
	all, err := search.WhatIf(p, points, trial.AllMetrics(), h, load.Spec{Concurrency: 4})
	if err != nil || len(all) != len(points) {
		t.Fatalf("%d predictions, %v", len(all), err)
	}
	for _, o := range all {
		truth := 1000 * float64(min(o.Settings.Workers*o.Settings.BatchSize, 4)) / w.service(o.Settings)
		if o.Settings.BatchSize > 4 || o.Settings.Workers*o.Settings.BatchSize > 4 {
			continue // batches are not full: the formula above does not hold
		}
		if ratio := o.Throughput.Value.Or(0) / truth; ratio < .7 || ratio > 1.4 || o.Load.Concurrency != 4 {
			t.Errorf("%v, %v: predicted %v/s, is %.0f", o.Settings, o.Load, o.Throughput, truth)
		}
	}
	if _, err := search.WhatIf(p, points, trial.AllMetrics(), trial.History{}, load.Spec{Concurrency: 4}); err == nil {
		t.Error("a prediction without service times")
	}
	p.Question = plan.Capacity
	if _, err := search.WhatIf(p, points, trial.AllMetrics(), h, load.Spec{Concurrency: 4}); err == nil {
		t.Error("another load for the question of the highest load")
	}
}
