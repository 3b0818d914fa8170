package session_test

import (
	"context"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// busyDevice executes batches for some seconds after each measurement, as an engine whose requests were cancelled.
type busyDevice struct {
	*device
	t     *testing.T
	until time.Time
}

func (d *busyDevice) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	out, err := d.device.Measure(ctx, m)
	d.until = time.Now().Add(4 * time.Second)
	return out, err
}

func (d *busyDevice) Drain(context.Context) error {
	time.Sleep(time.Until(d.until))
	return nil
}

func (d *busyDevice) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	if time.Now().Before(d.until) {
		d.t.Errorf("%v are applied while batches of the sweep are executed", s)
	}
	return d.device.Apply(ctx, s)
}

func (d *busyDevice) Live(ctx context.Context, l load.Spec, fresh func([]load.Sample)) error {
	if time.Now().Before(d.until) {
		d.t.Error("the live load starts while batches of the sweep are executed")
	}
	return d.device.Live(ctx, l, fresh)
}

// TestEngineReturnedIdle: batches of a paused or aborted sweep are not charged to the settings of the user.
func TestEngineReturnedIdle(t *testing.T) {
	for _, end := range []func(*session.Session) error{(*session.Session).AbortSweep, func(s *session.Session) error { return s.PauseSweep(true) }} {
		d := newDevice()
		withTarget(t, d, &busyDevice{device: d, t: t}, func(s *session.Session, _ *sweepRecording) {
			time.Sleep(3 * time.Second)
			if err := s.StartSweep(s.Snapshot().Plan); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * ms)
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if snap := s.Snapshot(); snap.Phase != session.Serving || d.liveLoads != 1 {
				t.Errorf("%v, %d live loads", snap.Phase, d.liveLoads)
			}
		})
	}
}
