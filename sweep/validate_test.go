package sweep_test

import (
	"context"
	"math"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// rateLimited is a target whose percentile is 10 ms at its highest rate and lower at lower rates. The
// highest rate of the first trial is different.
type rateLimited struct {
	device
	highest float64
	first   float64 // highest rate of the first trial
	width   float64 // of the upper part of the percentile's interval, as a share of it
}

func (d *rateLimited) Measure(_ context.Context, m sweep.Measurement) (trial.Result, error) {
	d.measured++
	highest := d.highest
	if d.measured == 1 {
		highest = d.first
	}
	v := trial.NumOf(10 * math.Pow(m.Load.Rate/highest, 3))
	answer := trial.Pass
	if v.Or(0) > 10 {
		answer = trial.Fail
	}
	return trial.Result{
		Throughput: trial.Estimate{Value: trial.NumOf(m.Load.Rate)},
		Verdict:    trial.Verdict{Result: answer, ValueMS: v, HighMS: trial.NumOf(v.Or(0) * (1 + d.width)), LimitMS: 10, Percentile: 99},
	}, nil
}

// fixedPoints is a strategy with a given list of points.
type fixedPoints struct{ points []plan.Point }

func (f *fixedPoints) Next(trial.History) (plan.Point, bool) {
	if len(f.points) == 0 {
		return plan.Point{}, false
	}
	p := f.points[0]
	f.points = f.points[1:]
	return p, true
}

func (f *fixedPoints) Left() int { return len(f.points) }

// TestValidationReducesTheRate checks that a lower rate is validated if the validation of the highest
// rate fails.
func TestValidationReducesTheRate(t *testing.T) {
	rules := rank.Rules{Question: plan.Capacity}
	n := &memoryRecorder{}
	r := sweep.Runner{
		Target: &rateLimited{highest: 93, first: 200}, Recorder: n, FirstNumber: 1,
		Strategy: &fixedPoints{[]plan.Point{{
			Settings: knob.Default(knob.TorchServe), Load: load.Spec{Mode: load.Open, Rate: 100}, Role: trial.RoleLoad,
			Predicted: &trial.Predicted{HighestRPS: trial.NumOf(101)},
		}}},
		SLA: trial.SLA{Percentile: 99, Limit: 10 * time.Millisecond}, Rules: rules,
		Explain: func(t []trial.Trial, best int) trial.Explanation {
			return search.Explainer{Rules: rules}.Explain(t, best, nil)
		},
	}
	out, err := r.Run(t.Context())
	if err != nil || out.Choice == nil {
		t.Fatalf("choice %v, %v", out.Choice, err)
	}
	best := n.trials[out.Best]
	if best.Role != trial.RoleValidation || best.Load.Rate > 93 || best.Load.Rate < 85 {
		t.Errorf("best is a %s at %g/s, want a validation near 90", best.Role, best.Load.Rate)
	}
	if h, p := out.Choice.Why.HighestRPS.Or(0), out.Choice.Why.PlanRPS.Or(0); h != best.Load.Rate || math.Abs(p/h-.95) > 1e-9 {
		t.Errorf("highest %g, planned %g", h, p)
	}
	if n.trials[0].Predicted == nil || n.trials[0].Predicted.HighestRPS.Or(0) != 101 {
		t.Errorf("predicted = %+v", n.trials[0].Predicted)
	}
}

// TestNarrowHighestRate: the rates that pass are the lucky ones of many. So a highest rate that passed narrowly is confirmed
// at a lower rate, and that one is recommended.
func TestNarrowHighestRate(t *testing.T) {
	for _, c := range []struct {
		name           string
		highest, width float64
		rate           float64 // recommended
		trials         int
	}{
		{"a clear pass", 110, .1, 100, 2},
		{"a narrow pass", 102, .1, 97, 3},
		{"two narrow passes are enough", 102, .3, 97, 3},
		{"after a failure too", 95, .3, 92 * .97 * .97, 4},
	} {
		rules := rank.Rules{Question: plan.Capacity}
		n := &memoryRecorder{}
		r := sweep.Runner{
			Target: &rateLimited{highest: c.highest, first: 200, width: c.width}, Recorder: n, FirstNumber: 1,
			Strategy: &fixedPoints{[]plan.Point{{
				Settings: knob.Default(knob.TorchServe), Load: load.Spec{Mode: load.Open, Rate: 100}, Role: trial.RoleLoad,
			}}},
			SLA: trial.SLA{Percentile: 99, Limit: 10 * time.Millisecond}, Rules: rules, Explain: explain,
		}
		out, err := r.Run(t.Context())
		if err != nil || out.Choice == nil {
			t.Fatalf("%s: choice %v, %v", c.name, out.Choice, err)
		}
		best := n.trials[out.Best]
		if math.Abs(best.Load.Rate/c.rate-1) > .005 || best.Role != trial.RoleValidation || len(n.trials) != c.trials {
			t.Errorf("%s: a %s at %g/s in %d trials, want a validation at %g/s in %d", c.name, best.Role, best.Load.Rate, len(n.trials), c.rate, c.trials)
		}
	}
}

// TestValidationIsLong checks that a validation has more answers than a certain verdict needs.
func TestValidationIsLong(t *testing.T) {
	n := &memoryRecorder{}
	out, err := runner(&device{}, n, 40*ms).Run(t.Context())
	if err != nil || out.Choice == nil {
		t.Fatalf("choice %v, %v", out.Choice, err)
	}
	last := n.trials[len(n.trials)-1]
	if last.Role != trial.RoleValidation || last.Counts.OK < 10_000 {
		t.Errorf("last is a %s with %d answers, want a validation with 10000", last.Role, last.Counts.OK)
	}
	for _, x := range n.trials[:len(n.trials)-1] {
		if x.Counts.OK >= 10_000 {
			t.Errorf("trial %d has %d answers", x.N, x.Counts.OK)
		}
	}
}
