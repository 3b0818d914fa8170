package search

import (
	"errors"
	"math"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Prediction is the prediction of one point, corrected with the load tests so far. Nothing in
// it was measured.
type Prediction struct {
	Settings   knob.Settings
	Load       load.Spec
	Throughput trial.Estimate // for question capacity the highest rate within the SLA
	ValueMS    trial.Estimate // the percentile of the SLA
	Pass       float64        // chance to keep the promise, 0 to 1
}

// Predictor is a strategy that predicts the points of its plan.
type Predictor interface {
	// Predictions returns a prediction of every point, also of tested ones, in the order of the
	// points; nil if predictions are not possible, or before the first probe.
	Predictions(found trial.History) []Prediction
}

// Predictions implements Predictor for the strategies with a simulator.
func (pr *predictor) Predictions(found trial.History) []Prediction {
	v := pr.view(found)
	if v.simulator == nil && v.estimates == nil {
		return nil
	}
	return v.predictions()
}

// predictions returns the predictions of all points that the simulator can predict.
func (v *view) predictions() []Prediction {
	var out []Prediction
	for i, p := range v.points {
		e := v.expectation(i)
		if math.IsInf(e.score, -1) {
			continue
		}
		out = append(out, Prediction{
			Settings: p.Settings, Load: p.Load, Pass: e.pass,
			Throughput: around(e.rate, e.rateSD), ValueMS: around(e.value, e.valueSD),
		})
	}
	return out
}

// around returns the 95% interval of a value whose logarithm has this standard deviation.
func around(value, sd float64) trial.Estimate {
	factor := math.Exp(1.96 * sd)
	return trial.Estimate{Value: trial.NumOf(value), Low: trial.NumOf(value / factor), High: trial.NumOf(value * factor)}
}

// WhatIf predicts the settings of the points under load l, which was not measured. The
// corrections are those of the load tests in found, under the load of the plan.
func WhatIf(p plan.Plan, points []plan.Point, t trial.MetricSet, found trial.History, l load.Spec) ([]Prediction, error) {
	switch {
	case p.Question.SeeksRate():
		return nil, errors.New("the sweep searches the highest load of each setting: it has no other load")
	case l.Mode == load.Trace || l.Mode == load.Ramp:
		return nil, errors.New("only a number of clients or a rate can be predicted")
	}
	pr, err := newPredictor(p, points, t)
	if err != nil {
		return nil, err
	}
	v := pr.view(found)
	if v.simulator == nil {
		why := pr.noPrediction
		if why == "" {
			why = "nothing is predicted before the first measured service time"
		}
		return nil, errors.New(why)
	}
	other := *pr // its points have the same indexes, which the corrections use
	other.points = make([]plan.Point, len(points))
	w := *v
	w.predictor, w.forecasts = &other, make([]forecast, len(points))
	for i, q := range points {
		q.Load = l.For(q.Settings.Workers * q.Settings.BatchSize)
		other.points[i], w.forecasts[i] = q, v.simulator.forecast(q, simulatedToCompare)
	}
	seen := map[knob.Settings]bool{} // a plan with several loads has each setting several times
	return slices.DeleteFunc(w.predictions(), func(p Prediction) bool {
		again := seen[p.Settings]
		seen[p.Settings] = true
		return again
	}), nil
}
