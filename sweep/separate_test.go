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

// The limit lies between what the two batch sizes do, whatever the machine's
// speed, and is a number people would say.
func TestSeparate(t *testing.T) {
	for _, tt := range []struct {
		name         string
		slower       float64 // than the device's 4 ms + 1 ms an item
		small, large int
		least, most  time.Duration // 0 is none
	}{
		// 8 clients: 40 ms a request at batch 1, 12 at 8.
		{"a machine", 1, 1, 8, 16 * ms, 34 * ms},
		{"one ten times as slow", 10, 1, 8, 160 * ms, 340 * ms},
		{"one ten times as fast", .1, 1, 8, 1600 * time.Microsecond, 3400 * time.Microsecond},
		{"too close", 1, 4, 5, 0, 0},
	} {
		d := &paced{device: &device{}, by: tt.slower}
		got, err := sweep.FindSeparatingLimit(t.Context(), d, load.Spec{Concurrency: 8}, 1, tt.small, tt.large)
		if err != nil || got.Limit < tt.least || got.Limit > tt.most {
			t.Errorf("%s: %+v, %v; want a limit of %v-%v", tt.name, got, err, tt.least, tt.most)
		}
		if got.Limit > 0 && got.Limit.Round(100*time.Microsecond) != got.Limit {
			t.Errorf("%s: nobody says %v", tt.name, got.Limit)
		}
		if last := d.applied[len(d.applied)-1]; last != knob.Default(knob.TorchServe) {
			t.Errorf("%s: left with %v", tt.name, last)
		}
	}
	d := &device{die: map[int]bool{2: true}}
	if _, err := sweep.FindSeparatingLimit(t.Context(), d, load.Spec{Concurrency: 8}, 1, 1, 8); !errors.Is(err, sweep.ErrEngineDied) {
		t.Errorf("an engine that dies: %v", err)
	}
}

// paced is a device whose every time is so much longer.
type paced struct {
	*device
	by float64
}

func (p *paced) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	slower := func(d time.Duration) time.Duration { return time.Duration(float64(d) * p.by) }
	stretched := func(samples []load.Sample) []load.Sample {
		var out []load.Sample
		for _, s := range samples {
			s.Planned, s.Latency, s.Model = slower(s.Planned), slower(s.Latency), slower(s.Model)
			out = append(out, s)
		}
		return out
	}
	stop, progress := m.Stop, m.Progress
	m.Time = time.Duration(float64(m.Time) / p.by)
	m.Stop = func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		return stop(slower(elapsed), stretched(samples))
	}
	m.Progress = func(elapsed time.Duration, samples []load.Sample) { progress(slower(elapsed), stretched(samples)) }
	return p.device.Measure(ctx, m)
}
