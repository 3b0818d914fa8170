//go:build unix

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

// TestMemoryIsTheSettings: what batch size 1 takes does not depend on whether 16 was
// measured before it, where the memory is asked for; else the result says that it is
// only a bound.
func TestMemoryIsTheSettings(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skipf("no high-water marks of processes here: %v", err)
	}
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	path, err := exec.LookPath("sweetspot") // testscript.Main put it there
	if err != nil {
		t.Fatal(err)
	}
	start := knob.Config{Settings: knob.Default(knob.TorchServe)}
	start.BatchDelay = time.Millisecond
	target, err := local.Start(t.Context(), local.Config{
		Command: []string{path, "engine", "builtin:resnet18"},
		Env:     append(os.Environ(), ortlib.EnvVar+"="+lib.Path), Start: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(context.Background()) //nolint:errcheck // the child is gone either way
	measure := func(batch int, own bool) trial.ResourceUse {
		t.Helper()
		s := start.Settings
		s.BatchSize = batch
		if _, err := target.Apply(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r, err := target.Measure(t.Context(), sweep.Measurement{
			Load: load.Spec{Concurrency: 16}, SLA: trial.SLA{Percentile: 99, Limit: 10 * time.Second},
			Time: 1500 * time.Millisecond, FreshServer: own,
			Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Use
	}
	alone := measure(1, true)
	most := measure(16, false)
	after := measure(1, false)
	own := measure(1, true)
	a, m, b := alone.RSSMB.Or(math.NaN()), most.RSSMB.Or(math.NaN()), own.RSSMB.Or(math.NaN())
	t.Logf("batch 1 %.0f MB, then 16 %.0f MB, then 1 %.0f MB, in a fresh engine %.0f MB", a, m, after.RSSMB.Or(math.NaN()), b)
	// A session of the runtime is not opened twice alike, but by far less than that.
	if !(m > 1.15*a) || math.Abs(b-a) > .5*(m-a) {
		t.Errorf("batch 1 took %.0f MB alone, %.0f MB after 16 with %.0f MB; want the first two alike", a, b, m)
	}
	if alone.RSSIsBound || most.RSSIsBound || own.RSSIsBound || !after.RSSIsBound {
		t.Errorf("a bound: alone %v, 16 %v, 1 after it %v, fresh %v; want only the third", alone.RSSIsBound, most.RSSIsBound, after.RSSIsBound, own.RSSIsBound)
	}
}
