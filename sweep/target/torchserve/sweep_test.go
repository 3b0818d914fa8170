package torchserve_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// memoryRecording is a Recording that keeps nothing.
type memoryRecording struct{}

func (memoryRecording) Trial(trial.Trial) error           { return nil }
func (memoryRecording) Probe(trial.Probe) error           { return nil }
func (memoryRecording) Event(trial.Event) error           { return nil }
func (memoryRecording) Choice(trial.Choice) error         { return nil }
func (memoryRecording) Operators(trial.Operators) error   { return nil }
func (memoryRecording) ID() string                        { return "note" }
func (memoryRecording) Path() string                      { return "" }
func (memoryRecording) End(session.SweepState, int) error { return nil }

// TestSweep: a sweep over workers and batch size measures each setting, and no request fails.
func TestSweep(t *testing.T) {
	s := start(t, true, false, "m")
	d := s.open(t)
	before := s.inForce(t, "m")
	p := plan.Default()
	p.Target, p.Strategy = s.management, "grid"
	p.SLA = trial.SLA{Percentile: 50, Limit: 80 * time.Millisecond}
	p.Loads = []load.Spec{{Concurrency: 16}} // one batch of one takes 160 ms
	p.Knobs = map[knob.Name]string{knob.Workers: "1", knob.BatchSize: "1,8"}
	p.Budget.Time, p.Trial.Duration = 0, 1500*time.Millisecond
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	w := session.Sweeper{Plan: p, Target: d, Record: func(sweep.Info, plan.Plan) (session.Recording, error) { return memoryRecording{}, nil }}
	st, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range st.Trials {
		if r.Error != "" || r.Counts.Failed+r.Counts.Refused+r.Counts.Timeout > 0 || r.Settings.BatchSize == 1 && r.Verdict.Result == trial.Pass {
			t.Errorf("trial %d, %v: error %q, %+v, %s", r.N, r.Settings, r.Error, r.Counts, r.Verdict.Label())
		}
	}
	if len(st.Trials) < 2 || st.Choice != nil && st.Choice.Settings.BatchSize != 8 {
		t.Errorf("%d trials, choice %+v", len(st.Trials), st.Choice)
	}
	if err := d.Close(t.Context()); err != nil || s.inForce(t, "m") != before {
		t.Errorf("after Close %s, %v; want %s", s.inForce(t, "m"), err, before)
	}
}

// TestLive: changes under live load lose no request.
func TestLive(t *testing.T) {
	s := start(t, true, false, "m")
	d := s.open(t)
	defer d.Close(t.Context())
	var ok, failed atomic.Int64
	go func() {
		_ = d.Live(t.Context(), load.Spec{Concurrency: 4}, func(all []load.Sample) {
			for _, r := range all {
				if r.Status == http.StatusOK {
					ok.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}()
	for _, batch := range []int{8, 2, 1} {
		for more := ok.Load() + 20; ok.Load() < more; time.Sleep(5 * time.Millisecond) {
			if t.Context().Err() != nil {
				t.Fatal("no answers")
			}
		}
		if _, err := d.Apply(t.Context(), settings(t, d, 2, batch, time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if failed.Load() > 0 {
		t.Errorf("%d requests failed, %d were answered", failed.Load(), ok.Load())
	}
}
