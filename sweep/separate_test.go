package sweep_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// TestFindSeparatingLimit checks that the limit is between the latencies of the two batch sizes on
// slow and fast machines, and a round number.
func TestFindSeparatingLimit(t *testing.T) {
	for _, tt := range []struct {
		name         string
		factor       float64 // of all times, which are 4 ms + 1 ms per row
		small, large int
		low, high    time.Duration // of the limit; 0 is no limit
	}{
		// 8 clients: a request takes 40 ms with batch 1 and 12 ms with batch 8.
		{"a machine", 1, 1, 8, 16 * ms, 34 * ms},
		{"a machine ten times as slow", 10, 1, 8, 160 * ms, 340 * ms},
		{"a machine ten times as fast", .1, 1, 8, 1600 * time.Microsecond, 3400 * time.Microsecond},
		{"too close", 1, 4, 5, 0, 0},
	} {
		d := &scaledDevice{device: &device{}, factor: tt.factor}
		got, err := sweep.FindSeparatingLimit(t.Context(), d, load.Spec{Concurrency: 8}, 1, tt.small, tt.large)
		if err != nil || got.Limit < tt.low || got.Limit > tt.high {
			t.Errorf("%s: %+v, %v; want a limit of %v-%v", tt.name, got, err, tt.low, tt.high)
		}
		if got.Limit > 0 && got.Limit.Round(100*time.Microsecond) != got.Limit {
			t.Errorf("%s: %v is not a round number", tt.name, got.Limit)
		}
		if last := d.applied[len(d.applied)-1]; last != knob.Default(knob.TorchServe) {
			t.Errorf("%s: the settings are %v afterwards", tt.name, last)
		}
	}
	d := &device{die: map[int]bool{2: true}}
	if _, err := sweep.FindSeparatingLimit(t.Context(), d, load.Spec{Concurrency: 8}, 1, 1, 8); !errors.Is(err, sweep.ErrEngineDied) {
		t.Errorf("an engine that dies: %v", err)
	}
}

// scaledDevice is a device whose times are multiplied by a factor.
type scaledDevice struct {
	*device
	factor float64
}

func (p *scaledDevice) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	scale := func(d time.Duration) time.Duration { return time.Duration(float64(d) * p.factor) }
	scaleAll := func(samples []load.Sample) []load.Sample {
		var out []load.Sample
		for _, s := range samples {
			s.Planned, s.Latency, s.Model = scale(s.Planned), scale(s.Latency), scale(s.Model)
			out = append(out, s)
		}
		return out
	}
	stop, progress := m.Stop, m.Progress
	m.Time = time.Duration(float64(m.Time) / p.factor)
	m.Stop = func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		return stop(scale(elapsed), scaleAll(samples))
	}
	m.Progress = func(elapsed time.Duration, samples []load.Sample) { progress(scale(elapsed), scaleAll(samples)) }
	return p.device.Measure(ctx, m)
}
