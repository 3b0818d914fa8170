//go:build unix && !race

package main

import (
	"context"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// TestMemoryOfSettings: if the memory of the settings is requested, that of batch size 1 does
// not depend on an earlier measurement of 32. Otherwise the result says that it is an
// upper limit.
func TestMemoryOfSettings(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("four engines with a model of 47 MB: make test-long runs it")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skipf("no high-water marks of processes here: %v", err)
	}
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	start := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
	start.BatchDelay = 2 * time.Second // the clients fill each batch, on a busy machine too
	target, err := local.Start(t.Context(), local.Config{
		Command: []string{path, "engine", "builtin:resnet18"},
		Env:     append(os.Environ(), ortlib.EnvVar+"="+lib.Path), Start: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(context.Background()) //nolint:errcheck // the child ends in any case
	measure := func(batch int, own bool) trial.ResourceUse {
		t.Helper()
		s := start.Settings
		s.BatchSize = batch
		if _, err := target.Apply(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r, err := target.Measure(t.Context(), sweep.Measurement{
			Load: load.Spec{Concurrency: batch}, SLA: trial.SLA{Percentile: 99, Limit: 10 * time.Second},
			Time: time.Minute, FreshServer: own,
			Stop: func(_ time.Duration, samples []load.Sample) (bool, string) { return len(samples) >= 32, "" },
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Use
	}
	first := measure(1, true)
	large := measure(32, false)
	after := measure(1, false)
	own := measure(1, true)
	a, m, b := first.RSSMB.Or(math.NaN()), large.RSSMB.Or(math.NaN()), own.RSSMB.Or(math.NaN())
	t.Logf("batch 1 %.0f MB, then 32 %.0f MB, then 1 %.0f MB, in a fresh engine %.0f MB", a, m, after.RSSMB.Or(math.NaN()), b)
	// Two sessions of the runtime do not have exactly the same memory, but the difference is
	// much smaller than that of the batch sizes.
	if !(m > 1.15*a) || math.Abs(b-a) > .5*(m-a) {
		t.Errorf("batch 1 took %.0f MB at first, %.0f MB after 32 with %.0f MB; want the first two almost equal", a, b, m)
	}
	if first.RSSIsBound || large.RSSIsBound || own.RSSIsBound || !after.RSSIsBound {
		t.Errorf("upper limits: first %v, 32 %v, 1 after it %v, in a new engine %v; want only the third", first.RSSIsBound, large.RSSIsBound, after.RSSIsBound, own.RSSIsBound)
	}
}
