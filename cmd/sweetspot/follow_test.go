package main

import (
	"encoding/json"
	"testing"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// TestFollowed checks the state on the screen for each state of a profile.
func TestFollowed(t *testing.T) {
	died := trial.Trial{N: 2, Result: trial.Result{Error: "engine died: segmentation fault"}}
	end := func(s profiles.State) *profiles.End { return &profiles.End{State: s} }
	for _, c := range []struct {
		name    string
		p       profiles.Profile
		state   session.SweepState
		problem string
	}{
		{"running", profiles.Profile{Running: true}, session.Running, ""},
		{"done", profiles.Profile{End: end(profiles.Done)}, session.Done, ""},
		{"stopped", profiles.Profile{End: end(profiles.Stopped)}, session.Aborted, ""},
		{"failed", profiles.Profile{End: end(profiles.Failed), Trials: []trial.Trial{died}}, session.Failed, died.Error},
		{"failed at once", profiles.Profile{End: end(profiles.Failed)}, session.Failed, ""},
		{"interrupted", profiles.Profile{}, session.Aborted, "interrupted; to resume: sweetspot --sweep --resume=x"},
		{"interrupted recording", profiles.Profile{Header: profiles.Header{Kind: profiles.Live}}, session.Aborted, "interrupted"},
	} {
		c.p.Header.ID = "x"
		if c.p.Header.Kind == "" {
			c.p.Header.Kind = profiles.Sweep
		}
		s := snapshotOf(&c.p)
		if s.Sweep.State != c.state || s.Sweep.Problem != c.problem {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, s.Sweep.State, s.Sweep.Problem, c.state, c.problem)
		}
	}
}

// TestFollowedPlan: the promise is that of the header. If there is no plan, or it cannot be
// read, the other values are the defaults.
func TestFollowedPlan(t *testing.T) {
	sla := trial.SLA{Percentile: 95, Limit: 7 * time.Millisecond}
	for _, text := range []string{`{}`, `[]`, ``, `{"model":"builtin:mlp","sla":{"percentile":99,"limit_ms":100}}`} {
		recorded := profiles.Profile{Header: profiles.Header{Plan: json.RawMessage(text), SLA: &sla}}
		p := recorded.Plan()
		if p.SLA != sla {
			t.Errorf("%q: promise %v, want %v", text, p.SLA, sla)
		}
	}
}

// TestChosenIsBest: the recorded choice is marked, not the one that this version would make.
func TestChosenIsBest(t *testing.T) {
	pass := trial.Result{Verdict: trial.Verdict{Result: trial.Pass}}
	fast, slow := trial.Trial{N: 4, Result: pass}, trial.Trial{N: 5, Result: pass}
	fast.Throughput.Value, slow.Throughput.Value = trial.NumOf(200), trial.NumOf(100)
	p := profiles.Profile{Trials: []trial.Trial{fast, slow}}
	if s := snapshotOf(&p); s.Sweep.Best != 0 {
		t.Errorf("without a choice the best is trial %d of the list, want the first", s.Sweep.Best)
	}
	p.Choices = []trial.Choice{{N: 5}}
	if s := snapshotOf(&p); s.Sweep.Best != 1 {
		t.Errorf("the best is trial %d of the list, want the chosen second", s.Sweep.Best)
	}
}
