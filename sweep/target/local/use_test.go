package local

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/monitor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// fakeGPU is a GPU that uses 1000 W for two seconds, then 100 W.
type fakeGPU struct{ begin time.Time }

func (fakeGPU) Devices() []monitor.Device { return []monitor.Device{{UUID: "GPU-1", Name: "fake"}} }
func (fakeGPU) Close() error              { return nil }
func (h fakeGPU) Sample(context.Context) (monitor.GPUSample, error) {
	s := time.Since(h.begin).Seconds()
	return monitor.GPUSample{EnergyJ: monitor.Of(1000*min(s, 2) + 100*max(s-2, 0)), PowerW: monitor.Of(1)}, nil
}

// TestEnergyWithoutWarmUp: the energy of a trial is that of the time in which answers are counted,
// without the warm-up and the wait for the last answers.
func TestEnergyWithoutWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		m := monitor.New(monitor.Options{GPU: fakeGPU{begin}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		w := m.Begin()
		time.Sleep(12 * time.Second)
		w.End()
		for _, c := range []struct{ warm, seconds, want float64 }{{2, 6, 600}, {1, 7, 1600}, {2, 1, math.NaN()}} {
			out := trial.Result{WarmupSeconds: c.warm, Seconds: c.seconds}
			addEnergy(&out, w, load.Result{Start: begin})
			got, ok := out.Use.GPU.EnergyJ.Get()
			if math.IsNaN(c.want) != !ok || ok && math.Abs(got-c.want) > 1 || ok != (out.Use.GPU.Reason == "") {
				t.Errorf("%g s after %g s: %v J, %q, want %g", c.seconds, c.warm, got, out.Use.GPU.Reason, c.want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
