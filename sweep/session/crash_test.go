package session_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// fragile is a device whose engine dies in its second probe and in its second trial, after 2 s.
type fragile struct {
	*device
	probes, trials int
	died           []time.Time
}

func (f *fragile) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	n := &f.trials
	if m.Max == 0 {
		n = &f.probes
	}
	if *n++; *n != 2 {
		return f.device.Measure(ctx, m)
	}
	time.Sleep(2 * time.Second)
	f.died = append(f.died, time.Now())
	return trial.Result{}, fmt.Errorf("%w: signal: killed", sweep.ErrEngineDied)
}

// The charts of the screen mark a death of the engine inside a probe or a trial of a sweep: the snapshot has its time.
// One from before the sweep stays.
func TestCrashInATrial(t *testing.T) {
	f := &fragile{device: newDevice()}
	f.liveErr = sweep.ErrEngineDied
	runSession(t, f, func(s *session.Session, _, _ *memoryRecordings) {
		time.Sleep(5 * time.Second)
		if n := len(s.Snapshot().Crashes); n != 1 {
			t.Fatalf("%d deaths under the live load", n)
		}
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		waitForSweep(s)
		snap := s.Snapshot()
		if len(f.died) != 2 || len(snap.Crashes) != 3 {
			t.Fatalf("the engine died in the sweep at %v; the snapshot has %v", f.died, snap.Crashes)
		}
		for i, at := range f.died {
			if snap.Crashes[i+1].Sub(at).Abs() > time.Second {
				t.Errorf("the engine died at %v; the snapshot has %v", at, snap.Crashes[i+1])
			}
		}
		if len(snap.Sweep.Trials) < 2 || snap.Sweep.Trials[1].Error == "" {
			t.Errorf("trials %+v", snap.Sweep.Trials)
		}
	})
}

// The time of a sweep goes on while it is being aborted, until the trial that is measured has ended.
func TestClockOfAnAbort(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, _ *sweepRecording) {
		time.Sleep(3 * time.Second)
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		validating := func() bool { // it lasts longer than the other trials
			w := s.Snapshot().Sweep
			return w != nil && w.Current != nil && w.Current.Point.Role == trial.RoleValidation
		}
		for !validating() {
			time.Sleep(200 * ms)
		}
		if err := s.AbortSweep(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * ms) // the next snapshot
		first := s.Snapshot().Sweep
		time.Sleep(time.Second)
		second := s.Snapshot().Sweep
		if first.State != session.Aborting || second.State != session.Aborting {
			t.Fatalf("%v, a second later %v", first.State, second.State)
		}
		if d := second.Elapsed - first.Elapsed; d < 700*ms || d > 1300*ms {
			t.Errorf("in a second of virtual time the clock of the sweep went on by %v", d)
		}
		waitForSweep(s)
		if end := s.Snapshot().Sweep; !end.State.Ended() || end.Elapsed < second.Elapsed {
			t.Errorf("%v after %v, before the end after %v", end.State, end.Elapsed, second.Elapsed)
		}
	})
}
