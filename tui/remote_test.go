package tui

import (
	"context"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/target/remotetest"
	"sweetspot/sweep/trial"
)

// nullRecording is a session.Recording that stores nothing.
type nullRecording struct{}

func (nullRecording) Probe(trial.Probe) error           { return nil }
func (nullRecording) Trial(trial.Trial) error           { return nil }
func (nullRecording) Event(trial.Event) error           { return nil }
func (nullRecording) Choice(trial.Choice) error         { return nil }
func (nullRecording) Operators(trial.Operators) error   { return nil }
func (nullRecording) ID() string                        { return "none" }
func (nullRecording) Path() string                      { return "nullRecording.jsonl" }
func (nullRecording) End(session.SweepState, int) error { return nil }

// remote is a session with a remote server under live load. The server has two knobs of
// its own and reports nothing except its answers.
func remote(t *testing.T) *session.Session {
	t.Helper()
	s := remotetest.NewServer(false)
	t.Cleanup(s.Close)
	p := plan.Default()
	p.Target, p.Strategy = s.URL, "grid"
	p.SLA = trial.SLA{Percentile: 50, Limit: 150 * time.Millisecond}
	p.Knobs = map[knob.Name]string{remotetest.Instances: "2", remotetest.MaxBatchSize: "1,8"}
	p.Budget.Time, p.Trial.Requests = 0, 150
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	w := session.New(session.Config{
		Plan:   p,
		Open:   func(ctx context.Context) (session.Target, error) { return remotetest.Open(ctx, s.URL, nil) },
		Record: func(sweep.Info, plan.Plan) (session.Recording, error) { return nullRecording{}, nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// waitFor waits for a snapshot for which ready is true.
func waitFor(t *testing.T, w *session.Session, what string, ready func(*session.Snapshot) bool) *session.Snapshot {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		s := w.Snapshot()
		if ready(s) {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("no %s after five minutes: %v, %s, %v", what, s.Phase, s.Problem, s.Messages)
		}
	}
}

// requireTexts fails for each text that the frame does not contain.
func requireTexts(t *testing.T, frame string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
}

// The Live view shows and changes the own knobs of a remote server, and the Sweep view
// has columns for them. What the server does not report is n/a in both.
func TestRemote(t *testing.T) {
	w := remote(t)
	serving := waitFor(t, w, "live load", func(s *session.Snapshot) bool { return s.Phase == session.Serving && s.Live.P99.OK() })
	for _, size := range []struct{ w, h int }{{120, 36}, {80, 24}, {60, 16}} {
		sc := newScreen(t, size.w, size.h, serving)
		requireTexts(t, sc.plainFrame(), "instances", "max_batch_size")
	}
	sc := newScreen(t, 120, 36, serving)
	frame := sc.plainFrame()
	requireTexts(t, frame, "device, threads, queue n/a", "cpu  n/a", "rss  n/a", "does not report", "n/a: the target reports none", "formed batch n/a")
	for _, absent := range []string{"workers", "batch_delay", "FP16", "torchserve rule", "bare session"} {
		if strings.Contains(frame, absent) {
			t.Errorf("%q, which the server does not have, in\n%s", absent, frame)
		}
	}
	sc.press("right", "down", "right")
	requireTexts(t, sc.plainFrame(), "→ 2", "→ 8", "warm: in force after a warm-up")
	sc.press("enter")
	if got := strings.Join(sc.workbench.calls, "; "); got != "apply instances 2, max_batch_size 8" {
		t.Errorf("actions after enter: %q", got)
	}
	fast := serving.Settings
	if err := fast.Set(remotetest.MaxBatchSize, "8"); err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(fast); err != nil {
		t.Fatal(err)
	}
	applied := waitFor(t, w, "the change", func(s *session.Snapshot) bool { return len(s.Changes) == 1 })
	requireTexts(t, newScreen(t, 120, 36, applied).plainFrame(), "A1 max_batch_size 1→8")
	wrong := fast
	wrong.Own = "instances=1 max_batch_size=16"
	if err := w.Apply(wrong); err == nil || !strings.Contains(err.Error(), "not one of its values: 1, 8, 32") {
		t.Errorf("Apply(16) = %v", err)
	}

	if err := w.StartSweep(w.Snapshot().Plan); err != nil {
		t.Fatal(err)
	}
	swept := waitFor(t, w, "the sweep", func(s *session.Snapshot) bool { return s.Sweep != nil && s.Sweep.State.Ended() })
	if len(swept.Sweep.Trials) < 2 {
		t.Fatalf("%d trials, problem %q", len(swept.Sweep.Trials), swept.Sweep.Problem)
	}
	for _, size := range []struct{ w, h int }{{120, 36}, {80, 24}} {
		sc := newScreen(t, size.w, size.h, swept)
		sc.press("2")
		requireTexts(t, sc.plainFrame(), "instances", "max_batch_size")
		sc.press("b")
		requireTexts(t, sc.plainFrame(), "formed batch n/a") // the columns that are n/a are left out where they do not fit
	}
	sc = newScreen(t, 120, 36, swept)
	sc.press("2", "b")
	requireTexts(t, sc.plainFrame(), "instances 2, max_batch_size ", "breakdown of the request latency: n/a", "formed batch n/a", "cpu n/a")
	requireTexts(t, Summary(swept), "instances ")
	if strings.Contains(Summary(swept), "rule") {
		t.Errorf("the summary has a batching rule, although the server reports none:\n%s", Summary(swept))
	}
}

// An SLA of the model latency, which the server does not report, is refused before the
// first request.
func TestRemoteModelLatency(t *testing.T) {
	s := remotetest.NewServer(false)
	defer s.Close()
	p := plan.Default()
	p.Target, p.SLA.Latency = s.URL, trial.ModelLatency
	w := session.New(session.Config{
		Plan: p, Open: func(ctx context.Context) (session.Target, error) { return remotetest.Open(ctx, s.URL, nil) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	down := waitFor(t, w, "the refusal", func(s *session.Snapshot) bool { return s.Phase == session.Down })
	if !strings.Contains(down.Problem, "use request latency") {
		t.Errorf("problem %q", down.Problem)
	}
	if served, _ := s.Served(); served > 0 {
		t.Errorf("%d requests were sent", served)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
