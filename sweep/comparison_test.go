package sweep_test

import (
	"errors"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

// batchPoint returns a point with a batch size and 8 clients.
func batchPoint(batch int) plan.Point {
	s := knob.Default(knob.TorchServe)
	s.BatchSize, s.BatchDelay = batch, ms
	return plan.Point{Settings: s, Load: load.Spec{Mode: load.Closed, Concurrency: 8}}
}

// TestComparison checks the ratios of a comparison of batch 4, with a latency of 16 ms, and batch 8,
// with 12 ms, and that equal settings show no difference.
func TestComparison(t *testing.T) {
	sla := plan.Default().SLA
	first, percent := -1, 0
	d, err := sweep.Comparison{
		Target: &device{}, A: batchPoint(4), B: batchPoint(8), SLA: sla, Pairs: 20, Seed: 1,
		OnBlock: func(done, total int, left time.Duration) {
			if first < 0 {
				first = done
			}
			percent = done * 100 / total
			if left < 0 || done == total && left != 0 {
				t.Errorf("after block %d of %d the remaining time is %v", done, total, left)
			}
		},
	}.Run(t.Context())
	if err != nil || first != 0 || percent != 100 {
		t.Fatal(err, first, percent)
	}
	if d.Percentile.High >= 0.8 || d.Percentile.Low <= 0.7 {
		t.Errorf("percentile ratio %+v, want about 12/16", d.Percentile)
	}
	if d.Throughput.Low <= 1.2 || d.Throughput.High >= 1.5 {
		t.Errorf("throughput ratio %+v, want about 16/12", d.Throughput)
	}
	if d.A.PercentileMS < 15 || d.A.PercentileMS > 18 || d.B.PercentileMS < 11 || d.B.PercentileMS > 14 {
		t.Errorf("medians %.1f and %.1f ms, want about 16 and 12", d.A.PercentileMS, d.B.PercentileMS)
	}
	if d.Pairs != 20 || d.TooFew != 0 || d.A.Failed+d.B.Failed != 0 || d.A.Sent == 0 {
		t.Errorf("%+v", d)
	}
	same, err := sweep.Comparison{Target: &device{}, A: batchPoint(4), B: batchPoint(4), SLA: sla, Pairs: 19, Seed: 1}.Run(t.Context())
	if err != nil || same.Percentile.Low > 1 || same.Percentile.High < 1 || same.PercentileAA.Low > 1 || same.PercentileAA.High < 1 {
		t.Errorf("equal settings: %+v, %v", same, err)
	}
	if same.Pairs != 20 {
		t.Errorf("19 pairs became %d, want 20, which are full rounds", same.Pairs)
	}
}

// TestComparisonOfASlowServer checks that blocks last until they have enough answers: a batch of 16
// that never fills waits 400 ms, so there are about 15 answers per second.
func TestComparisonOfASlowServer(t *testing.T) {
	slow := batchPoint(16)
	slow.Settings.BatchDelay = 400 * ms
	c := sweep.Comparison{Target: &device{}, A: slow, B: slow, SLA: plan.Default().SLA, Pairs: 6, Seed: 1}
	d, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if blocks := 2 * d.Pairs; d.A.Sent+d.B.Sent < 300*blocks || d.TooFew > 0 {
		t.Errorf("%d requests in %d blocks, %d pairs with too few; want 300 per block", d.A.Sent+d.B.Sent, blocks, d.TooFew)
	}
	c.MaxBlock = 3 * time.Second
	_, err = c.Run(t.Context())
	tooFew, ok := errors.AsType[*sweep.TooFewAnswersError](err)
	if !ok || tooFew.Answers >= 100 || tooFew.Need != 100 || tooFew.Block != c.MaxBlock {
		t.Errorf("blocks of 3 s: %v", err)
	}
}

// TestComparisonCountsFailures checks the counts of failed requests, and that a comparison ends if
// the engine dies.
func TestComparisonCountsFailures(t *testing.T) {
	c := sweep.Comparison{Target: &device{errors: .1}, A: batchPoint(4), B: batchPoint(8), SLA: plan.Default().SLA, Pairs: 2, Seed: 1}
	d, err := c.Run(t.Context())
	if share := float64(d.A.Failed) / float64(d.A.Sent); err != nil || share < .05 || share > .2 {
		t.Errorf("%d of %d failed, %v; want about a tenth", d.A.Failed, d.A.Sent, err)
	}
	c.Target = &device{die: map[int]bool{4: true}}
	if _, err := c.Run(t.Context()); !errors.Is(err, sweep.ErrEngineDied) {
		t.Errorf("an engine that dies: %v", err)
	}
}
