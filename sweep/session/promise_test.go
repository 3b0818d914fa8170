package session_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// A promise that Config.Promise measures is used for live traffic and for the sweep. It is measured
// once, before there is any load.
func TestMeasuredPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		n := &sweepRecording{}
		asked := 0
		var swept plan.Plan
		s := session.New(session.Config{
			Plan: testPlan(t),
			Open: func(context.Context) (session.Target, error) { return d, nil },
			Promise: func(context.Context, session.Target) (trial.SLA, string) {
				if asked++; d.liveLoads > 0 {
					t.Error("the promise is measured under load")
				}
				return trial.SLA{Percentile: 99, Limit: 14 * ms}, "from a probe"
			},
			Record: func(_ sweep.Info, p plan.Plan) (session.Recording, error) { swept = p; return n, nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		time.Sleep(3 * time.Second)
		snap := s.Snapshot()
		if snap.SLA.Limit != 14*ms || snap.Live.Verdict.LimitMS != 14 {
			t.Errorf("live: promise %v, judged by %g ms", snap.SLA, snap.Live.Verdict.LimitMS)
		}
		said := false
		for _, m := range snap.Messages {
			said = said || strings.Contains(m.Text, "<= 14ms (from a probe)")
		}
		if !said {
			t.Errorf("messages %v", snap.Messages)
		}
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		for _, x := range n.trials {
			t.Logf("%v %v %s, %s: %v %s", x.Role, x.Settings, x.Reason, x.Verdict.ValueMS.Text(1), x.Verdict.Result, x.Verdict.Why)
		}
		if swept.SLA.Limit != 14*ms || n.choice == nil || n.choice.Settings.BatchSize != 8 || asked != 1 {
			t.Errorf("swept for %v, choice %+v, asked %d times", swept.SLA, n.choice, asked)
		}
		cancel()
		wg.Wait()
	})
}

// If it is certain that no point can keep the promise, the exit code does not need a verdict of
// every trial.
func TestExitCodeUnreachable(t *testing.T) {
	undecided := []trial.Trial{{}}
	for _, tt := range []struct {
		sweep session.Sweep
		want  int
	}{
		{session.Sweep{Trials: undecided}, 3},
		{session.Sweep{Trials: undecided, Impossible: "a batch of 1 takes 10 ms"}, 2},
		{session.Sweep{Choice: &trial.Choice{}, Impossible: "a batch of 1 takes 10 ms"}, 0},
		{session.Sweep{}, 3},
	} {
		if got := session.ExitCode(tt.sweep); got != tt.want {
			t.Errorf("Exit(%+v) = %d, want %d", tt.sweep, got, tt.want)
		}
	}
}
