package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

func TestLiveApplyUndo(t *testing.T) {
	d := newDevice()
	d.applyTime = 500 * ms
	withSession(t, d, func(s *session.Session, _ *sweepRecording) {
		if got := s.Snapshot(); got.Phase != session.Starting || s.Apply(got.Settings) == nil {
			t.Errorf("before the engine is up: phase %v, Apply accepted", got.Phase)
		}
		time.Sleep(5 * time.Second)
		snap := s.Snapshot()
		if snap.Phase != session.Serving || snap.Live.P99.Or(0) != 40 || snap.Live.Verdict.Result != trial.Fail {
			t.Fatalf("serving: phase %v, P99 %v, verdict %+v", snap.Phase, snap.Live.P99, snap.Live.Verdict)
		}
		to := snap.Settings
		to.BatchSize = 8
		if err := s.Apply(to); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(to); err == nil || !strings.Contains(err.Error(), "being applied") {
			t.Errorf("second Apply = %v", err)
		}
		time.Sleep(time.Second)
		if !s.Snapshot().Live.Transient {
			t.Error("not settling right after a change")
		}
		time.Sleep(4 * time.Second)
		snap = s.Snapshot()
		if snap.Settings != to || snap.Live.Verdict.Likely() != trial.Pass || snap.Live.Transient || snap.Live.Batch.Or(0) != 8 {
			t.Errorf("after the change: %+v %+v", snap.Settings, snap.Live.Verdict)
		}
		time.Sleep(20 * time.Second) // until there are enough answers for a pass
		if v := s.Snapshot().Live.Verdict; v.Result != trial.Pass {
			t.Errorf("long after the change: %+v", v)
		}
		if len(snap.Changes) != 1 || snap.Changes[0].Took != 500*ms || snap.Live.Totals.Failed+snap.Live.Totals.Refused != 0 {
			t.Errorf("changes %+v, totals %+v", snap.Changes, snap.Live.Totals)
		}
		if err := s.Undo(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if snap = s.Snapshot(); snap.Settings.BatchSize != 1 || len(snap.Changes) != 2 || !snap.Changes[1].Undo {
			t.Errorf("after undo: %v, %+v", snap.Settings, snap.Changes)
		}
		if snap.Undoable != 0 || snap.Redoable != 1 || s.Undo() == nil || snap.Baseline != snap.Settings {
			t.Errorf("after undo: %d undoable, %d redoable", snap.Undoable, snap.Redoable)
		}
		if err := s.Redo(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if snap = s.Snapshot(); snap.Settings != to || snap.Undoable != 1 || snap.Redoable != 0 || s.Redo() == nil {
			t.Errorf("after redo: %v, %d undoable, %d redoable", snap.Settings, snap.Undoable, snap.Redoable)
		}
	})
}

func TestRefusals(t *testing.T) {
	d := newDevice()
	withSession(t, d, func(s *session.Session, _ *sweepRecording) {
		if err := s.Undo(); err == nil {
			t.Error("Undo of nothing was accepted")
		}
		time.Sleep(3 * time.Second)
		now := s.Snapshot().Settings
		fp16, zero := now, now
		fp16.Precision = knob.HalfPrecision
		zero.BatchSize = 0
		for _, tc := range []struct {
			err  error
			want string
		}{
			{s.Apply(now), "in force already"},
			{s.Apply(fp16), "precision: not yet"},
			{s.Apply(zero), "batch_size: 0 is outside"},
			{s.SetLoad(load.Spec{}), "concurrency 0"},
			{s.SetLoad(load.Spec{Mode: load.Open}), "rate 0"},
			{s.PauseSweep(true), "no sweep"},
			{s.AbortSweep(), "no sweep"},
			{s.Restart(), "is up"},
		} {
			if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) {
				t.Errorf("err = %v, want %q", tc.err, tc.want)
			}
		}
		d.mu.Lock()
		d.applyErr = errors.New("out of memory")
		d.mu.Unlock()
		to := now
		to.BatchSize = 4
		if err := s.Apply(to); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		snap := s.Snapshot()
		last := snap.Messages[len(snap.Messages)-1]
		if snap.Settings != now || last.Level != session.Error || !strings.Contains(last.Text, "out of memory") {
			t.Errorf("after a failed apply: %v, %+v", snap.Settings, last)
		}
	})
}

// TestRecording: each setting has its own segment, and the end of the session closes the recording.
func TestRecording(t *testing.T) {
	live := withSession(t, newDevice(), func(s *session.Session, _ *sweepRecording) {
		if err := s.Record(true); err == nil {
			t.Error("recording before there is an engine was accepted")
		}
		time.Sleep(3 * time.Second)
		if err := s.Record(false); err == nil {
			t.Error("ending no recording was accepted")
		}
		if err := s.Record(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		to := s.Snapshot().Settings
		to.BatchSize = 8
		if err := s.Apply(to); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if r := s.Snapshot().Recording; r == nil || r.Path != "tape.jsonl" || s.Record(true) == nil {
			t.Errorf("recording: %+v", r)
		}
	})
	if len(live.trials) != 2 || !live.ended || live.seconds < 9 {
		t.Fatalf("%d segments, %d seconds, ended %v", len(live.trials), live.seconds, live.ended)
	}
	a, b := live.trials[0], live.trials[1]
	if a.Settings.BatchSize != 1 || b.Settings.BatchSize != 8 || a.N != 1 || b.N != 2 || a.Role != trial.RoleLive {
		t.Errorf("segments %+v and %+v", a.Settings, b.Settings)
	}
	if a.Latency.P99.Value.Or(0) != 40 || b.Latency.P99.Value.Or(0) != 12 {
		t.Errorf("P99 %v and %v, want 40 and 12", a.Latency.P99.Value, b.Latency.P99.Value)
	}
	if rps := a.Throughput.Value.Or(0); rps < 450 || rps > 550 {
		t.Errorf("throughput %v, want about 500", rps)
	}
}

func TestLoadControls(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, _ *sweepRecording) {
		time.Sleep(4 * time.Second)
		if err := s.HoldLoad(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		sent := s.Snapshot().Live.Totals.Sent
		time.Sleep(2 * time.Second)
		if snap := s.Snapshot(); snap.Live.Totals.Sent != sent || snap.LoadOn {
			t.Errorf("the stopped load sent %d more", snap.Live.Totals.Sent-sent)
		}
		if err := errors.Join(s.HoldLoad(false), s.SetLoad(load.Spec{Mode: load.Open, Rate: 50})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if snap := s.Snapshot(); snap.Live.Totals.Sent == sent || snap.Load.Rate != 50 {
			t.Errorf("the load was not started again: %+v", snap.Load)
		}
	})
}

// TestSweepOwnsAndReturnsTheEngine: a sweep owns the engine. A pause returns it to the user, and
// after the end the user's settings are in force again.
func TestSweepOwnsAndReturnsTheEngine(t *testing.T) {
	d := newDevice()
	withSession(t, d, func(s *session.Session, n *sweepRecording) {
		time.Sleep(3 * time.Second)
		mine := s.Snapshot().Settings
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms)
		snap := s.Snapshot()
		if snap.Phase != session.Sweeping || snap.Sweep.Total != 4 || s.Apply(mine) == nil || s.StartSweep(s.Snapshot().Plan) == nil {
			t.Errorf("sweeping: %v %+v", snap.Phase, snap.Sweep)
		}
		if err := s.PauseSweep(true); err != nil {
			t.Fatal(err)
		}
		for s.Snapshot().Sweep.State != session.Paused {
			time.Sleep(100 * ms)
		}
		time.Sleep(2 * time.Second)
		done := len(s.Snapshot().Sweep.Trials)
		if snap = s.Snapshot(); snap.Phase != session.Serving || snap.Settings != mine || d.liveLoads != 1 {
			t.Errorf("paused: %v, %v, %d live loads", snap.Phase, snap.Settings, d.liveLoads)
		}
		time.Sleep(20 * time.Second)
		if got := len(s.Snapshot().Sweep.Trials); got != done {
			t.Errorf("%d trials while paused", got-done)
		}
		if err := s.PauseSweep(false); err != nil {
			t.Fatal(err)
		}
		for !s.Snapshot().Sweep.State.Ended() {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		snap = s.Snapshot()
		if snap.Sweep.State != session.Done || snap.Sweep.Choice == nil || snap.Sweep.Choice.Settings.BatchSize != 8 {
			t.Errorf("sweep = %+v", snap.Sweep)
		}
		if snap.Phase != session.Serving || snap.Settings != mine || n.state != session.Done || n.exit != 0 {
			t.Errorf("given back: %v %v, recording ended %v exit %d", snap.Phase, snap.Settings, n.state, n.exit)
		}
		if out, err := s.Export(session.ExportOptions{Trial: snap.Sweep.Choice.N}); err != nil || out.Path != "trial.properties" || len(out.Notes) != 1 {
			t.Errorf("Export = %+v, %v", out, err)
		}
		if _, err := s.Export(session.ExportOptions{Trial: 99}); err == nil {
			t.Error("Export of trial 99 was accepted")
		}
	})
}

// TestSweepUsesTheLiveLoad: a sweep uses the load that the user has set, and says so.
func TestSweepUsesTheLiveLoad(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, n *sweepRecording) {
		time.Sleep(3 * time.Second)
		live := load.Spec{Mode: load.Closed, Concurrency: 3}
		if err := s.SetLoad(live); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms) // until it is in a snapshot
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms)
		for !s.Snapshot().Sweep.State.Ended() {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		snap := s.Snapshot()
		if got := snap.Sweep.Plan.Loads; len(got) != 1 || got[0] != live {
			t.Errorf("the sweep's loads are %v, want %v", got, live)
		}
		for _, x := range snap.Sweep.Trials {
			if x.Load != live {
				t.Errorf("trial %d under %v, want %v", x.N, x.Load, live)
			}
		}
		if !slices.ContainsFunc(snap.Messages, func(m session.Message) bool {
			return m.Text == "sweep started: under concurrency 3"
		}) || len(snap.Sweep.Trials) == 0 || snap.Load != live {
			t.Errorf("%d trials, live load %v, messages %v", len(snap.Sweep.Trials), snap.Load, snap.Messages)
		}
	})
}

func TestAbortAndEndKeepTheProfile(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, n *sweepRecording) {
		time.Sleep(3 * time.Second)
		if err := errors.Join(s.StartSweep(s.Snapshot().Plan), s.AbortSweep()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if snap := s.Snapshot(); snap.Sweep.State != session.Aborted || snap.Phase != session.Serving || n.state != session.Aborted {
			t.Errorf("aborted: %v, %v, recording %v", snap.Sweep.State, snap.Phase, n.state)
		}
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * ms) // withSession ends the session during the sweep
	})
}

func TestEngineRestartsAfterItDied(t *testing.T) {
	d := newDevice()
	d.liveErr = sweep.ErrEngineDied
	withSession(t, d, func(s *session.Session, _ *sweepRecording) {
		time.Sleep(5 * time.Second)
		snap := s.Snapshot()
		if snap.Phase != session.Serving || snap.Live.Totals.OK == 0 {
			t.Errorf("after a death: %v, %+v", snap.Phase, snap.Live.Totals)
		}
		if len(snap.Crashes) != 1 || snap.At.Sub(snap.Crashes[0]) < 2*time.Second {
			t.Errorf("at %v: the engine died at %v", snap.At, snap.Crashes)
		}
	})
}

func TestEngineThatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		d := newDevice()
		s := session.New(session.Config{Plan: testPlan(t), Open: func(context.Context) (session.Target, error) {
			if fail {
				return nil, errors.New("no ONNX Runtime: run make ort")
			}
			return d, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		time.Sleep(time.Second)
		if snap := s.Snapshot(); snap.Phase != session.Down || !strings.Contains(snap.Problem, "make ort") || s.Apply(snap.Settings) == nil {
			t.Errorf("down: %v %q", snap.Phase, snap.Problem)
		}
		fail = false
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if snap := s.Snapshot(); snap.Phase != session.Serving || snap.Problem != "" {
			t.Errorf("restarted: %v %q", snap.Phase, snap.Problem)
		}
		cancel()
		wg.Wait()
	})
}
