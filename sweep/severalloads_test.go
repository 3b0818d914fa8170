package sweep_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// underLoads returns a sweep of batch sizes 4 and 8 under 8 clients only, of a plan with these loads.
func underLoads(n *memoryRecorder, limit time.Duration, loads ...load.Spec) *sweep.Runner {
	r := runner(&device{}, n, limit)
	r.Rules = rank.Rules{Loads: loads}
	point := func(batch int) plan.Point {
		s := knob.Default(knob.TorchServe)
		s.BatchSize, s.BatchDelay = batch, ms
		return plan.Point{Settings: s, Load: load.Spec{Concurrency: 8}, Role: trial.RoleLoad}
	}
	r.Strategy = &fixedPoints{[]plan.Point{point(4), point(8)}}
	r.Explain = func(t []trial.Trial, best int) trial.Explanation {
		return search.Explainer{Rules: r.Rules}.Explain(t, best, nil)
	}
	return r
}

// TestAllLoadsAreValidated: the choice is validated under every load of the plan, also under those that the search left
// out. 8 clients take 16 and 12 ms with a batch of 4 and 8, 16 clients 32 and 24 ms, and 4 clients 9 and 9 ms.
func TestAllLoadsAreValidated(t *testing.T) {
	eight, sixteen, four := load.Spec{Concurrency: 8}, load.Spec{Concurrency: 16}, load.Spec{Concurrency: 4}
	n := &memoryRecorder{}
	out, err := underLoads(n, 40*ms, eight, sixteen, four).Run(t.Context())
	if err != nil || out.Choice == nil || out.Choice.Settings.BatchSize != 8 {
		t.Fatalf("choice %+v, %v", out.Choice, err)
	}
	var loads []int
	for _, x := range n.trials[2:] {
		if x.Role != trial.RoleValidation || x.Settings.BatchSize != 8 || x.Verdict.Result != trial.Pass {
			t.Errorf("trial %d: %s %v %v", x.N, x.Role, x.Settings, x.Verdict.Result)
		}
		loads = append(loads, x.Load.Concurrency)
	}
	if len(loads) != 3 || loads[0] != 8 || loads[1] != 16 || loads[2] != 4 || strings.Contains(out.Choice.Why.Text, "under concurrency") {
		t.Errorf("validated under %v; %s", loads, out.Choice.Why.Text)
	}
}

// TestLoadsWithoutMeasurement: without time for the other loads the explanation says that they were not measured.
func TestLoadsWithoutMeasurement(t *testing.T) {
	r := underLoads(&memoryRecorder{}, 40*ms, load.Spec{Concurrency: 8}, load.Spec{Concurrency: 16})
	r.Trials = 3
	out, err := r.Run(t.Context())
	if err != nil || out.Choice == nil || !strings.Contains(out.Choice.Why.Text, "under concurrency 16 it was not measured") {
		t.Errorf("%v; %+v", err, out.Choice)
	}
}

// TestLoadThatFails: settings that fail under another load of the plan give way to others that were not tried there, and
// that load comes first for these.
func TestLoadThatFails(t *testing.T) {
	n := &memoryRecorder{}
	out, err := underLoads(n, 20*ms, load.Spec{Concurrency: 8}, load.Spec{Concurrency: 4}, load.Spec{Concurrency: 16}).Run(t.Context())
	if err != nil || out.Choice == nil {
		t.Fatalf("choice %+v, %v", out.Choice, err)
	}
	tried := map[[2]int]trial.Answer{}
	var order []int
	for _, x := range n.trials[2:] {
		tried[[2]int{x.Settings.BatchSize, x.Load.Concurrency}] = x.Verdict.Result
		if x.Settings.BatchSize == 4 {
			order = append(order, x.Load.Concurrency)
		}
	}
	if tried[[2]int{8, 16}] != trial.Fail || tried[[2]int{4, 16}] != trial.Fail || len(order) < 2 || order[0] != 8 || order[1] != 16 {
		t.Errorf("validations by batch size and clients: %v; those of a batch of 4 in the order %v", tried, order)
	}
	if out.Choice.Settings.BatchSize != 8 || !strings.Contains(out.Choice.Why.Text, "under concurrency 16 it FAILs") {
		t.Errorf("choice %v: %s", out.Choice.Settings, out.Choice.Why.Text)
	}
}

// slow is a device whose measurements last as long as they may, validations as long as they must.
type slow struct{ device }

func (d *slow) Measure(_ context.Context, m sweep.Measurement) (trial.Result, error) {
	time.Sleep(min(m.Time, 18*time.Second))
	v := trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(50), HighMS: trial.NumOf(60)}
	return trial.Result{Throughput: trial.Estimate{Value: trial.NumOf(100)}, Verdict: v}, nil
}

// TestBudgetOfSeveralLoads: a budget has the time for all points and for a validation under each load.
func TestBudgetOfSeveralLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &memoryRecorder{}
		r := underLoads(n, 100*ms, load.Spec{Concurrency: 8}, load.Spec{Concurrency: 16}, load.Spec{Concurrency: 4})
		var points []plan.Point
		for _, batch := range []int{4, 8} {
			for _, l := range r.Rules.Loads {
				s := knob.Default(knob.TorchServe)
				s.BatchSize = batch
				points = append(points, plan.Point{Settings: s, Load: l, Role: trial.RoleLoad})
			}
		}
		r.Target, r.Strategy, r.Time = &slow{}, &fixedPoints{points}, 2*time.Minute
		begin := time.Now()
		out, err := r.Run(t.Context())
		if err != nil || out.Choice == nil || out.Ended != "" || len(n.trials) != 6+3 || time.Since(begin) > 2*time.Minute {
			t.Fatalf("%d trials in %v, ended %q, %v; want 9 within two minutes", len(n.trials), time.Since(begin), out.Ended, err)
		}
		if strings.Contains(out.Choice.Why.Text, "under concurrency") {
			t.Errorf("choice: %s", out.Choice.Why.Text)
		}
	})
}
