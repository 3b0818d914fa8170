package sweep_test

import (
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

// TestTurns: batch 4 answers 8 clients in 16 ms, batch 8 in 12; equal settings
// cannot be told apart.
func TestTurns(t *testing.T) {
	point := func(batch int) plan.Point {
		s := knob.Default(knob.TorchServe)
		s.BatchSize, s.BatchDelay = batch, ms
		return plan.Point{Settings: s, Load: load.Spec{Mode: load.Closed, Concurrency: 8}}
	}
	sla := plan.Default().SLA
	seen := 0
	d, err := sweep.Turns{
		Target: &device{}, A: point(4), B: point(8), SLA: sla, Pairs: 20, Seed: 1,
		Observe: func(done, total int) { seen = done * 100 / total },
	}.Run(t.Context())
	if err != nil || seen != 100 {
		t.Fatal(err, seen)
	}
	if d.Percentile.High >= 0.8 || d.Percentile.Low <= 0.7 {
		t.Errorf("percentile ratio %+v, want about 12/16", d.Percentile)
	}
	if d.Throughput.Low <= 1.2 || d.Throughput.High >= 1.5 {
		t.Errorf("throughput ratio %+v, want about 16/12", d.Throughput)
	}
	same, err := sweep.Turns{Target: &device{}, A: point(4), B: point(4), SLA: sla, Pairs: 20, Seed: 1}.Run(t.Context())
	if err != nil || same.Percentile.Low > 1 || same.Percentile.High < 1 || same.PercentileAA.Low > 1 {
		t.Errorf("equal settings: %+v, %v", same, err)
	}
}
