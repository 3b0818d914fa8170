package local

import (
	"context"
	"encoding/json"
	"math"
	"strings"
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

// TestThrottled: a trial on a throttled GPU has the share, the causes and a warning.
func TestThrottled(t *testing.T) {
	s := monitor.Summary{GPU: monitor.GPUSummary{
		PercentMean: monitor.Of(90), Throttled: new(true), ThrottledShare: monitor.Of(.25), Throttle: []string{"power cap"},
		Warnings: []string{"the GPU was throttled in 25% of the samples (power cap)"},
	}}
	u := useOf(s, load.Result{})
	text, err := json.Marshal(u.GPU)
	if err != nil || !strings.Contains(string(text), `"throttled":true,"throttled_share":0.25,"throttle":["power cap"]`) {
		t.Errorf("use of the GPU %s, %v", text, err)
	}
	if w := gpuWarnings(s); len(w) != 1 || w[0].Text != s.GPU.Warnings[0] {
		t.Errorf("warnings %q", w)
	}
	if w := gpuWarnings(monitor.Summary{}); w != nil {
		t.Errorf("warnings %q of a GPU that is not throttled", w)
	}
	each := sharesOf(monitor.GPUSample{Each: []monitor.GPUSample{{Percent: monitor.Of(80)}, {MemoryBytes: monitor.Of(5 * mb)}}})
	if len(each) != 2 || each[0].PercentMean != trial.NumOf(80) || each[1].MemoryMB != trial.NumOf(5) || each[1].PercentMean.OK() {
		t.Errorf("shares %v", each)
	}
}
