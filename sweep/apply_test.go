package sweep_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// limitedBatches is a device that reduces batch sizes above 2 to 2.
type limitedBatches struct{ *device }

func (d limitedBatches) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	s.BatchSize = min(s.BatchSize, 2)
	return d.device.Apply(ctx, s)
}

// busyServer executes batches for a while after each measurement, as an engine whose requests were cancelled.
type busyServer struct {
	*device
	t     *testing.T
	until time.Time
	stays bool // it never becomes idle
}

func (d *busyServer) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	out, err := d.device.Measure(ctx, m)
	d.until = time.Now().Add(4 * time.Second)
	return out, err
}

func (d *busyServer) Drain(ctx context.Context) error {
	if d.stays {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Until(d.until))
	return nil
}

func (d *busyServer) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	if !d.stays && time.Now().Before(d.until) {
		d.t.Errorf("%v are applied while batches of the settings before are executed", s)
	}
	return d.device.Apply(ctx, s)
}

// TestApplyWhenIdle: the next point waits until the server executes nothing of the point before any more, but not for ever.
func TestApplyWhenIdle(t *testing.T) {
	for _, stays := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := &memoryRecorder{}
			r := runner(&device{}, n, 30*ms)
			r.Target = &busyServer{device: &device{}, t: t, stays: stays}
			if out, err := r.Run(t.Context()); err != nil || out.Choice == nil {
				t.Errorf("stays busy %v: %+v, %v", stays, out, err)
			}
		})
	}
}

// TestOtherSettingsInForce checks that a point is not measured if other settings are in force after
// the apply.
func TestOtherSettingsInForce(t *testing.T) {
	n := &memoryRecorder{}
	r := runner(&device{}, n, 30*ms)
	r.Target = limitedBatches{&device{}}
	out, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range n.trials {
		if applied := x.Settings.BatchSize <= 2; applied != (x.Error == "") || applied != (x.Counts.Sent > 0) {
			t.Errorf("batch %d: sent %d, error %q", x.Settings.BatchSize, x.Counts.Sent, x.Error)
		}
		if x.Error != "" && !strings.Contains(x.Error, "in force is 1 worker, batch 2") {
			t.Errorf("error %q, want what is in force", x.Error)
		}
	}
	if out.Choice == nil || out.Choice.Settings.BatchSize != 2 {
		t.Errorf("choice %+v, want batch 2", out.Choice)
	}
	if _, err := (sweep.Comparison{Target: r.Target, SLA: r.SLA, A: plan.Point{Settings: knob.Settings{BatchSize: 8}}}).Run(t.Context()); err == nil {
		t.Error("a comparison of settings that are not in force was measured")
	}
}
