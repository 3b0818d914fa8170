package session_test

import (
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// After an apply the traffic is compared with that before it: the baseline ends before the apply
// began, and the result is a message. Another change ends the comparison.
func TestEffect(t *testing.T) {
	d := newDevice()
	d.applyTime = 3 * time.Second
	withSession(t, d, func(s *session.Session, _ *sweepRecording) {
		time.Sleep(15 * time.Second)
		to := s.Snapshot().Settings
		to.BatchSize = 8
		apply := func(to knob.Settings) {
			t.Helper()
			if err := s.Apply(to); err != nil {
				t.Fatal(err)
			}
			time.Sleep(d.applyTime + time.Second)
		}
		apply(to)
		if c := s.Snapshot().Comparing; c == nil || c.N != 1 {
			t.Fatalf("after the apply: comparing %+v", c)
		}
		time.Sleep(10 * time.Second)
		snap := s.Snapshot()
		want := "A1 batch size 1 to 8: P99 better (40-40 -> 12-12 ms), rate ~"
		if last := snap.Messages[len(snap.Messages)-1].Text; last != want || snap.Effect == nil || snap.Effect.Text != want || snap.Comparing != nil {
			t.Errorf("last message %q, effect %+v, comparing %v; want %q", last, snap.Effect, snap.Comparing, want)
		}
		before := s.Snapshot().Settings
		again := before
		again.QueueSize++ // does not change the latencies
		apply(again)
		time.Sleep(29 * time.Second)
		if c := s.Snapshot().Comparing; c == nil {
			t.Error("a comparison without a result ended before its last look")
		}
		time.Sleep(4 * time.Second)
		snap = s.Snapshot()
		if last := snap.Messages[len(snap.Messages)-1].Text; !strings.Contains(last, "P99 ~ (12-12 -> 12-12 ms), rate ~") {
			t.Errorf("message after no change: %q", last)
		}
		apply(before)
		if err := s.HoldLoad(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		snap = s.Snapshot()
		if last := snap.Messages[len(snap.Messages)-1].Text; !strings.HasSuffix(last, "not compared: the load was held") || snap.Comparing != nil {
			t.Errorf("message after the hold: %q", last)
		}
	})
}

// A held load has no figures: the seconds are gaps, and the snapshot says since when it is held.
func TestHeld(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, _ *sweepRecording) {
		time.Sleep(10 * time.Second)
		if err := s.HoldLoad(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		snap := s.Snapshot()
		if age := snap.At.Sub(snap.HeldSince); age < 14*time.Second || age > 16*time.Second {
			t.Errorf("held for %v, want 15 s", age)
		}
		if snap.Live.P99.OK() || snap.Live.Answers > 0 || snap.Live.Verdict.Result != trial.Undecided {
			t.Errorf("held, but P99 %v of %d answers, %v", snap.Live.P99, snap.Live.Answers, snap.Live.Verdict)
		}
		for _, sec := range snap.Live.Seconds[len(snap.Live.Seconds)-10:] {
			if sec.P99.OK() || sec.P50.OK() {
				t.Fatalf("a second without answers has P99 %v", sec.P99)
			}
		}
		if err := s.HoldLoad(false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		snap = s.Snapshot()
		if !snap.HeldSince.IsZero() || snap.Live.P99.Or(0) != 40 || snap.Live.Window > 3*time.Second {
			t.Errorf("resumed: held since %v, P99 %v over %v", snap.HeldSince, snap.Live.P99, snap.Live.Window)
		}
	})
}
