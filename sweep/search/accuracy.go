package search

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Errors summarizes the relative errors of predictions: |predicted/measured - 1|.
type Errors struct {
	N           int
	Median, P90 float64
}

// Accuracy has the errors of a sweep's predictions, for each figure separately. Predictions from
// before the first load test are left out, because no measurement had corrected them.
type Accuracy struct {
	Throughput, Percentile, Highest Errors
}

// AccuracyOf compares the predictions of trials with their measurements.
func AccuracyOf(trials []trial.Trial) Accuracy {
	var rate, value, highest []float64
	var seen []trial.Trial
	for i, t := range trials {
		if t.Predicted == nil || t.Role != trial.RoleLoad || t.Error != "" {
			continue
		}
		first := !slices.ContainsFunc(seen, func(o trial.Trial) bool { return o.Settings == t.Settings })
		if seen = append(seen, t); len(seen) == 1 || t.Settings == seen[0].Settings && t.Predicted.HighestRPS.OK() {
			continue
		}
		if t.Predicted.HighestRPS.OK() {
			if first {
				highest = appendError(highest, t.Predicted.HighestRPS, measuredHighest(trials[i:], t))
			}
			continue
		}
		rate = appendError(rate, t.Predicted.ThroughputRPS, t.Throughput.Value)
		value = appendError(value, t.Predicted.ValueMS, t.Verdict.ValueMS)
	}
	return Accuracy{errorsOf(rate), errorsOf(value), errorsOf(highest)}
}

// measuredHighest returns the highest rate of a setting in its trials: the geometric mean of the
// highest rate that passed and the next one that did not. It is not measured if these two rates are
// too far apart.
func measuredHighest(trials []trial.Trial, of trial.Trial) trial.Num {
	low, high := 0.0, math.Inf(1)
	for _, t := range trials {
		switch {
		case t.Settings != of.Settings || t.Role != trial.RoleLoad:
		case t.Verdict.Likely() == trial.Pass:
			low = max(low, t.Load.Rate)
		default:
			high = min(high, t.Load.Rate)
		}
	}
	if low == 0 || high > low*(1+4*rateTolerance) {
		return trial.Num{}
	}
	return trial.NumOf(math.Sqrt(low * max(high, low)))
}

// appendError appends the relative error of a prediction if both figures exist.
func appendError(all []float64, predicted, measured trial.Num) []float64 {
	p, ok1 := predicted.Get()
	m, ok2 := measured.Get()
	if !ok1 || !ok2 || m <= 0 {
		return all
	}
	return append(all, math.Abs(p/m-1))
}

// errorsOf summarizes relative errors.
func errorsOf(v []float64) Errors {
	if len(v) == 0 {
		return Errors{}
	}
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(int(q*float64(len(v))), len(v)-1)] }
	return Errors{len(v), at(.5), at(.9)}
}

// String returns the accuracy in words, or "" without predictions.
func (a Accuracy) String() string {
	var parts []string
	for _, f := range []struct {
		name string
		e    Errors
	}{{"highest load", a.Highest}, {"throughput", a.Throughput}, {"percentile", a.Percentile}} {
		switch {
		case f.e.N == 1:
			parts = append(parts, fmt.Sprintf("%s off by %.1f%%", f.name, 100*f.e.Median))
		case f.e.N > 1:
			parts = append(parts, fmt.Sprintf("%s off by %.1f%% in the median, %.1f%% at the 90th percentile", f.name, 100*f.e.Median, 100*f.e.P90))
		}
	}
	if parts == nil {
		return ""
	}
	settings := "1 setting"
	if n := max(a.Highest.N, a.Throughput.N); n > 1 {
		settings = fmt.Sprintf("%d settings", n)
	}
	return fmt.Sprintf("against measured, %s: %s", settings, strings.Join(parts, "; "))
}

// headroom is the recommended rate as a share of the highest rate.
const headroom = .95

// capacityText says which rate is recommended for a setting with its highest rate.
func (x Explainer) capacityText(t trial.Trial, why *trial.Explanation) string {
	if x.Rules.Question != plan.Capacity || !x.Rules.Meets(t) {
		return ""
	}
	why.HighestRPS, why.PlanRPS = trial.NumOf(t.Load.Rate), trial.NumOf(headroom*t.Load.Rate)
	return fmt.Sprintf("It can serve %.4g requests/s; plan for %.4g (headroom %g), because loads and machines vary.",
		t.Load.Rate, headroom*t.Load.Rate, headroom)
}
