package session_test

import (
	"testing"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// requested returns the trials that the user requested.
func requested(s *session.Snapshot) (out []trial.Trial) {
	for _, t := range s.Sweep.Trials {
		if t.Reason == "requested by the user" {
			out = append(out, t)
		}
	}
	return out
}

func waitForSweep(s *session.Session) {
	for s.Snapshot().Sweep == nil || !s.Snapshot().Sweep.State.Ended() {
		time.Sleep(500 * ms)
	}
	time.Sleep(time.Second)
}

// TestMeasureAgain: a setting is measured next while a sweep runs, and in a sweep of its own after
// its end, with the earlier trials in its profile.
func TestMeasureAgain(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, n *sweepRecording) {
		time.Sleep(3 * time.Second)
		slow := s.Snapshot().Settings
		l := load.Spec{Concurrency: 10}
		if err := s.Measure(slow, l); err == nil {
			t.Error("measured without a sweep")
		}
		if _, err := s.WhatIf(l); err == nil {
			t.Error("predicted without a sweep")
		}
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms)
		fast := slow
		fast.BatchSize, fast.BatchDelay = 4, ms
		if err := s.Measure(fast, l); err != nil {
			t.Fatal(err)
		}
		waitForSweep(s)
		first := s.Snapshot()
		if got := requested(first); len(got) != 1 || got[0].Settings != fast || first.Sweep.Choice == nil {
			t.Fatalf("requested trials while it ran: %+v, choice %v", got, first.Sweep.Choice)
		}
		before := len(first.Sweep.Trials)
		if err := s.Measure(fast, l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms)
		if snap := s.Snapshot(); snap.Phase != session.Sweeping || snap.Sweep.Resumed != before {
			t.Errorf("phase %v, %d of %d trials resumed", snap.Phase, snap.Sweep.Resumed, before)
		}
		waitForSweep(s)
		snap := s.Snapshot()
		if got := requested(snap); len(got) != 2 || snap.Phase != session.Serving || snap.Settings != slow || snap.Sweep.State != session.Done || snap.Sweep.Choice == nil {
			t.Errorf("requested trials after its end: %d, %v, sweep %v, choice %v", len(got), snap.Phase, snap.Sweep.State, snap.Sweep.Choice)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if got := len(n.trials); got != before+len(snap.Sweep.Trials) { // both sweeps write to the same recording here
			t.Errorf("%d trials recorded, want %d and all %d again", got, before, len(snap.Sweep.Trials))
		}
	})
}

// TestSweepOfAnotherPlan: a sweep may have another promise, which is then that of the session, and
// another load, which is not that of the live traffic.
func TestSweepOfAnotherPlan(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, _ *sweepRecording) {
		time.Sleep(3 * time.Second)
		p := s.Snapshot().Plan
		p.SLA.Limit, p.Loads = 30*ms, []load.Spec{{Concurrency: 5}}
		wrong := p
		wrong.SLA.Percentile = 12
		if err := s.StartSweep(wrong); err == nil {
			t.Error("a percentile of 12 was accepted")
		}
		if err := s.StartSweep(p); err != nil {
			t.Fatal(err)
		}
		waitForSweep(s)
		snap := s.Snapshot()
		if snap.SLA.Limit != 30*ms || snap.Plan.SLA.Limit != 30*ms || snap.Load.Concurrency != 10 || snap.Plan.Loads[0].Concurrency != 10 {
			t.Errorf("promise %v, next plan %v under %v, live load %v", snap.SLA, snap.Plan.SLA, snap.Plan.Loads, snap.Load)
		}
		for _, x := range snap.Sweep.Trials {
			if x.Load.Concurrency != 5 || x.Verdict.LimitMS != 30 {
				t.Errorf("trial %d under %v with a limit of %g ms", x.N, x.Load, x.Verdict.LimitMS)
			}
		}
	})
}
