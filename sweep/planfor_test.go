package sweep_test

import (
	"slices"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// TestPlanFor checks that PlanFor expands own knobs, and reports all metrics that the target lacks.
func TestPlanFor(t *testing.T) {
	info := sweep.Info{Current: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}, Limits: knob.Limits{Own: []knob.Knob{{Name: "streams", Min: 1, Max: 8}}}}
	p := plan.Default()
	p.Target, p.Knobs = "http://box:1", map[knob.Name]string{"streams": "1-8*2", knob.Workers: "1-2"}
	got, err := sweep.PlanFor(p, info)
	if err != nil || got.Knobs["streams"] != "1,2,4,8" || got.Knobs[knob.Workers] != "1-2" {
		t.Errorf("PlanFor = %v, %v", got.Knobs, err)
	}
	p.SLA.Latency, p.Objective, p.Constraints.MemoryMB = trial.ModelLatency, plan.RequestsPerJoule, 1
	if _, err := sweep.PlanFor(p, info); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("PlanFor without the metrics that the plan needs: %v", err)
	}
	info.Metrics = trial.AllMetrics()
	if _, err := sweep.PlanFor(p, info); err != nil {
		t.Errorf("PlanFor with all metrics: %v", err)
	}
	info.Limits.Own = append(info.Limits.Own, knob.Knob{Name: "workers", Min: 1, Max: 2})
	if _, err := sweep.PlanFor(p, info); err == nil || !strings.HasPrefix(err.Error(), "the target's own knobs: ") {
		t.Errorf("a target with one of the seven among its own knobs: %v", err)
	}
}

// TestPlanForUnreported: the rule of the plan is not claimed for a target that does not report its
// own, what needs a value that is not reported is refused, and so is a target that contradicts
// itself.
func TestPlanForUnreported(t *testing.T) {
	silent := func() sweep.Info {
		var all []knob.Name
		for _, k := range knob.All() {
			all = append(all, k.Name)
		}
		return sweep.Info{Current: knob.Settings{Own: "streams=1"}, Limits: knob.Limits{Unreported: all, Own: []knob.Knob{{Name: "streams", Min: 1, Max: 8}}}}
	}
	remote := plan.Default()
	remote.Target = "http://box:1"
	got, err := sweep.PlanFor(remote, silent())
	if err != nil || got.Options != (knob.Options{}) {
		t.Errorf("PlanFor: options %v, %v", got.Options.Describe(), err)
	}
	for _, c := range []struct {
		name   string
		change func(*plan.Plan, *sweep.Info)
		want   string
	}{
		{"another rule", func(p *plan.Plan, _ *sweep.Info) { p.Options.Rule = knob.Eager }, "the plan has the eager rule, but the target does not report its batching rule"},
		{"another option", func(p *plan.Plan, _ *sweep.Info) { p.Options.Spin = "off" }, "the plan has rule n/a, spin off, but in force is rule n/a"},
		{"fewest workers", func(p *plan.Plan, _ *sweep.Info) { p.Objective = plan.FewestWorkers }, "the target does not report its workers; use throughput"},
		{"a value that is not reported", func(_ *plan.Plan, i *sweep.Info) { i.Current.Precision = knob.HalfPrecision }, "the target: precision is fp16, but is among the knobs that are not reported"},
		{"a missing value", func(_ *plan.Plan, i *sweep.Info) { i.Limits.Unreported = i.Limits.Unreported[1:] }, "the target: workers has no value, but is not among the knobs that are not reported"},
		{"a delay that is not filled in", func(_ *plan.Plan, i *sweep.Info) {
			i.Current.BatchSize, i.Limits.BatchAxis = 8, true
			i.Limits.Unreported = slices.DeleteFunc(i.Limits.Unreported, func(n knob.Name) bool { return n == knob.BatchSize })
		}, "the target: batch_delay_ms is 0, but is among the knobs that are not reported"},
	} {
		p, info := remote, silent()
		c.change(&p, &info)
		if _, err := sweep.PlanFor(p, info); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
