package tui

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// remoteServing is live traffic of a remote server that reports nothing about itself. It
// has two knobs of its own; the name of one is also the name of a column.
func remoteServing() *session.Snapshot {
	s := serving()
	s.Changes, s.Messages = nil, s.Messages[:1]
	s.Settings = knob.Settings{Own: "batch=8 instances=1"}
	s.Info.Machine, s.Info.Runtime, s.Info.Cores, s.Info.Metrics = "server:8000", "some server", 0, trial.MetricSet{}
	s.Info.Limits = knob.Limits{Own: []knob.Knob{
		{Name: "instances", Label: "instances", Help: "batches executed side by side", Cost: knob.Warm, Min: 1, Max: 4},
		{Name: "batch", Label: "batch", Help: "most requests executed together", Cost: knob.Hot, Values: []string{"1", "8", "32"}},
	}}
	s.Info.Fixed = map[knob.Name]string{}
	for _, k := range knob.All() {
		s.Info.Limits.Unreported = append(s.Info.Limits.Unreported, k.Name)
		s.Info.Fixed[k.Name] = "the server does not report it"
	}
	s.Live.Batch, s.Live.Use = trial.Num{}, trial.ResourceUse{GPU: trial.GPUUse{Reason: "remote"}}
	for i := range s.Live.Seconds {
		s.Live.Seconds[i].CPU = trial.Num{}
	}
	return s
}

// remoteSwept is remoteServing after a sweep with an SLA of P50.
func remoteSwept() *session.Snapshot {
	s := remoteServing()
	w := *swept().Sweep
	w.Plan.SLA = trial.SLA{Percentile: 50, Limit: 20 * time.Millisecond}
	w.Trials = slices.Clone(w.Trials)
	for i := range w.Trials {
		t := &w.Trials[i]
		t.Settings = knob.Settings{Own: knob.OwnValues([]string{"batch=8 instances=1", "batch=32 instances=4"}[i%2])}
		t.Model, t.Batches, t.Breakdown, t.Use = trial.ModelLatencies{}, trial.Batches{}, trial.Breakdown{}, trial.ResourceUse{}
		t.Verdict.ValueMS = t.Latency.P50.Value
	}
	w.Trials, w.Total, w.Best, w.Choice = w.Trials[3:5], 2, 1, nil
	s.Sweep = &w
	s.SLA = w.Plan.SLA
	return s
}

// Where the SLA is of another percentile than P99, the percentage of the limit is of that
// percentile, in the best row and in the current trial.
func TestPercentileOfSLA(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		sc := newScreen(t, size[0], size[1], remoteSwept())
		sc.press("2")
		requireTexts(t, sc.plainFrame(), "P50 9.12 ms (46%)")
		sc.show(func(s *session.Snapshot) {
			w := *s.Sweep
			current := *sweeping().Sweep.Current
			current.Point.Settings = s.Settings
			w.State, w.Current = session.Running, &current
			s.Sweep = &w
		})
		requireTexts(t, sc.plainFrame(), "P50 24.9")
	}
	model := trial.SLA{Percentile: 99, Latency: trial.ModelLatency, Limit: time.Second}
	measured := newTrial(1, 1, 1, 15, 100, trial.Pass)
	measured.Verdict.ValueMS = trial.NumOf(6)
	if got := percentileOf(&measured, model); got != trial.NumOf(6) {
		t.Errorf("percentileOf for an SLA of the model latency = %v, want that of the verdict, 6", got)
	}
}

// The table of trials leaves out columns of knobs that the target does not report, also
// before the first trial, and never those of its own knobs.
func TestOwnColumns(t *testing.T) {
	s := remoteSwept()
	for _, trials := range []int{2, 0} {
		w := *s.Sweep
		w.Trials, w.Best = w.Trials[:trials], -1
		s.Sweep = &w
		sc := newScreen(t, 120, 36, s)
		for _, width := range []int{58, 74, 78} {
			var names []string
			for _, c := range sc.columns(width) {
				names = append(names, c.name)
			}
			if !slices.Contains(names, "batch") || !slices.Contains(names, "instances") || slices.Contains(names, "wrk") {
				t.Errorf("%d trials in %d cells: columns %q, want batch and instances and none of workers", trials, width, names)
			}
		}
	}
}

// remoteDown is a remote server to which the connection is lost.
func remoteDown() *session.Snapshot {
	s := remoteServing()
	s.Phase, s.Problem = session.Down, "dial tcp server:8000: connection refused"
	return s
}

// Of a remote server the screen says that there is no connection: it is not our engine
// that is down.
func TestRemoteDown(t *testing.T) {
	sc := newScreen(t, 80, 24, remoteDown())
	requireTexts(t, sc.plainFrame(), "No connection", "R connects again", "connection refused")
	sc.press("right", "enter")
	if want := "there is no connection to the server: R connects again"; sc.status() != want {
		t.Errorf("status after enter %q, want %q", sc.status(), want)
	}
	sc.press("R")
	if !slices.Equal(sc.workbench.calls, []string{"restart"}) {
		t.Errorf("actions %q, want a restart", sc.workbench.calls)
	}
}

// What a remote server cannot do is refused with a reason, and opens no empty dialog.
func TestRemoteMeasurements(t *testing.T) {
	sc := newScreen(t, 120, 36, remoteServing())
	for _, key := range []string{"w", "t"} {
		sc.press(key)
		if want := "a remote server does not offer this measurement"; sc.status() != want || sc.dialog != nil || len(sc.workbench.calls) > 0 {
			t.Errorf("key %s: status %q, dialog %v, actions %q; want %q and nothing else", key, sc.status(), sc.dialog, sc.workbench.calls, want)
		}
	}
}

// If there are too many knobs for one row, the selected one is visible.
func TestManyKnobs(t *testing.T) {
	s := remoteServing()
	for _, n := range []knob.Name{"max_queue_delay", "preferred_batch_size", "streams", "cache_size", "priority_levels"} {
		s.Info.Limits.Own = append(s.Info.Limits.Own, knob.Knob{Name: n, Label: string(n), Min: 1, Max: 9})
		if err := s.Settings.Set(n, "1"); err != nil {
			t.Fatal(err)
		}
	}
	pending := regexp.MustCompile(`→ ?(2|32)\b`)
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 16}} {
		sc := newScreen(t, size[0], size[1], s)
		for i, k := range sc.shownKnobs() {
			if i > 0 {
				sc.press("down")
			}
			requireTexts(t, sc.plainFrame(), "▸"+k.Label)
			sc.press("right")
			if frame := sc.plainFrame(); !pending.MatchString(frame) {
				t.Errorf("%v: no pending value of %s in\n%s", size, k.Label, frame)
			}
			sc.press("esc")
		}
		if sc.press("down"); sc.knobIndex != 0 {
			t.Errorf("%v: knob %d after the last one, want the first", size, sc.knobIndex)
		}
	}
}

// A change of several own knobs is shown completely.
func TestLongChange(t *testing.T) {
	s := remoteServing()
	to := s.Settings
	to.Own = "batch=32 instances=4"
	s.Changes = []session.Change{{N: 1, At: epoch, From: s.Settings, To: to, Took: 4 * time.Millisecond}}
	frame := newScreen(t, 120, 36, s).plainFrame()
	var list strings.Builder
	for line := range strings.Lines(frame) {
		list.WriteString(strings.Trim(string([]rune(line)[1:34]), " ") + " ")
	}
	if want := "A1 instances 1→4, batch 8→32 (4ms)"; !strings.Contains(list.String(), want) {
		t.Errorf("no %q in\n%s", want, frame)
	}
}

// TestTorchServeBreakdown: the breakdown of TorchServe has the queue and the filling of the batch as one part, and the time of its handler.
// Without one, the reason is shown.
func TestTorchServeBreakdown(t *testing.T) {
	s := remoteSwept()
	for i := range s.Sweep.Trials {
		s.Sweep.Trials[i].Breakdown = trial.Breakdown{Queue: trial.NumOf(2.25), Execution: trial.NumOf(6.5), Handler: trial.NumOf(5.75)}
	}
	sc := newScreen(t, 120, 36, s)
	sc.press("2", "b")
	requireTexts(t, sc.plainFrame(), "queue+fill", "2.25", "execution", "6.50", "5.75 of the execution in the handler")
	if frame := sc.plainFrame(); strings.Contains(frame, "decode") || strings.Contains(frame, "formation") {
		t.Errorf("parts that TorchServe does not report:\n%s", frame)
	}
	s = remoteSwept()
	s.Info.MetricsWhy = "no answer there"
	sc = newScreen(t, 120, 36, s)
	sc.press("2", "b")
	requireTexts(t, sc.plainFrame(), "breakdown of the request latency: n/a:", "no answer there")
}
