package profiles

import (
	"math"
	"math/rand/v2"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// noisyControl returns the control of a shard, measured before its first and after its last point on a machine of
// this speed: with noise of which the intervals, 1% on each side, contain 95%.
func noisyControl(r *rand.Rand, i, n int, speed float64) ControlRuns {
	c := plan.Control{Settings: knob.Default(knob.TorchServe), Load: load.Spec{Concurrency: 10}}
	around := func(v float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(.99 * v), High: trial.NumOf(1.01 * v)}
	}
	var trials []trial.Trial
	for range 2 {
		noise := func() float64 { return math.Exp(.01 / 1.96 * r.NormFloat64()) }
		t := trial.Trial{Role: trial.RoleControl, Settings: c.Settings, Load: c.Load}
		t.Counts.OK, t.Throughput = 1000, around(100*speed*noise())
		e := around(20 / speed * noise())
		t.Verdict = trial.Verdict{Percentile: 99, ValueMS: e.Value, LowMS: e.Low, HighMS: e.High}
		trials = append(trials, t)
	}
	return controlOf(c, plan.Shard{Index: i, Count: n}, trials)
}

// TestCompareControls: equal machines are said to differ in at most 5% of merges, also of many shards, because the
// intervals of all pairs hold together; and one that is a tenth slower is nearly always found.
func TestCompareControls(t *testing.T) {
	const merges, shards = 400, 8
	for _, c := range []struct {
		speed       float64 // of the last machine; the others have 1
		least, most int     // merges with machines that differ
	}{
		{1, 0, merges * 5 / 100},
		{.9, merges * 95 / 100, merges},
	} {
		r := rand.New(rand.NewPCG(7, 7))
		differ := 0
		for range merges {
			var all []ControlRuns
			for i := 1; i < shards; i++ {
				all = append(all, noisyControl(r, i, shards, 1))
			}
			answer, pairs := compareControls(append(all, noisyControl(r, shards, shards, c.speed)))
			if (answer == Differ) != (len(pairs) > 0) {
				t.Fatalf("machines %s with %d pairs that differ", answer, len(pairs))
			}
			if answer == Differ {
				differ++
			}
		}
		t.Logf("the last machine has speed %g: %d of %d merges differ", c.speed, differ, merges)
		if differ < c.least || differ > c.most {
			t.Errorf("speed %g: %d of %d merges differ, want %d-%d", c.speed, differ, merges, c.least, c.most)
		}
	}
}
