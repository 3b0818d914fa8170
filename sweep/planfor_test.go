package sweep_test

import (
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
