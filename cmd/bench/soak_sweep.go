package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// soakSweeps runs sweeps one after the other beside the load of the soak. Each has an engine of its own, which
// is started for it and ended after it, and writes a profile that is read back.
type soakSweeps struct {
	cancel context.CancelFunc
	done   chan struct{} // closed at the end; guards all below
	err    error
	counts sweepCounts
}

// sweepCounts are the counts of all sweeps.
type sweepCounts struct {
	sweeps, trials, requests int
	lost                     int // requests with no outcome, or with two
	wrongPasses              int // trials that passed although their promise was broken
	damaged                  int // profiles without a trial of their sweep, or without their end
}

func (c sweepCounts) String() string {
	return fmt.Sprintf("%d sweeps beside the load, %d trials, %d requests", c.sweeps, c.trials, c.requests)
}

// startSoakSweeps sweeps until stop is called.
func startSoakSweeps(ctx context.Context, e *env) *soakSweeps {
	ctx, cancel := context.WithCancel(ctx)
	s := &soakSweeps{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for i := 0; ctx.Err() == nil && s.err == nil; i++ {
			s.err = s.sweepOnce(ctx, e, i)
		}
		if errors.Is(s.err, context.Canceled) {
			s.err = nil
		}
	}()
	return s
}

// stop ends the running sweep, waits for the end of its engine, and adds the figures.
func (s *soakSweeps) stop(e *env) error {
	s.cancel()
	<-s.done
	for _, f := range []struct {
		name string
		n    int
	}{{"lost", s.counts.lost}, {"wrong-passes", s.counts.wrongPasses}, {"damaged", s.counts.damaged}} {
		e.report.Add(judge.Figure{Name: "soak.sweep." + f.name, Value: float64(f.n), Unit: "count", Detail: s.counts.String()})
	}
	return s.err
}

// sweepPlan is a small grid. Every second one has a promise that no request can keep.
func sweepPlan(i int, seed uint64) (plan.Plan, error) {
	p := plan.Default()
	p.Model, p.Strategy, p.Seed = "builtin:mlp", "grid", seed+uint64(i)
	p.Knobs = map[knob.Name]string{knob.Workers: "1", knob.BatchSize: "1,4", knob.BatchDelay: "1", knob.FP16: "fp32", knob.Device: "cpu", knob.Threads: "1"}
	p.SLA.Limit = time.Minute
	if i%2 == 1 {
		p.SLA.Limit = 50 * time.Microsecond
	}
	p.Budget.Time, p.Trial.Requests = 20*time.Second, 150
	p, err := search.Complete(p)
	if err != nil {
		return p, err
	}
	return p, p.Validate()
}

// sweepOnce runs one sweep with an engine of its own. The sweep that stop ends is counted too.
func (s *soakSweeps) sweepOnce(ctx context.Context, e *env, i int) (err error) {
	p, err := sweepPlan(i, e.seed)
	if err != nil {
		return err
	}
	t, err := local.Start(ctx, local.Config{
		Command: []string{e.self, engineCommand, p.Model}, Env: e.environ, Log: e.stderr, Seed: p.Seed,
		Start: knob.Config{Settings: knob.Default(p.Options.Rule), Options: p.Options}, Timeout: answerTimeout,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	dir, err := os.MkdirTemp("", "sweetspot-bench-sweep-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, profiles.FileName)
	w := &session.Sweeper{Plan: p, Target: t, Record: func(info sweep.Info, p plan.Plan) (session.Recording, error) {
		return recordSoak(path, info, p)
	}}
	st, err := w.Run(ctx)
	if st.Path != "" {
		s.counts.addSweep(st, path)
	}
	return err
}

// addSweep checks a sweep and its profile.
func (c *sweepCounts) addSweep(st session.Sweep, path string) {
	c.sweeps++
	for _, t := range st.Trials {
		n := t.Counts
		c.trials, c.requests = c.trials+1, c.requests+n.Sent
		c.lost += max(n.Sent-n.OK-n.Refused-n.Failed-n.Timeout, n.OK+n.Refused+n.Failed+n.Timeout-n.Sent)
		if v := t.Verdict; v.Result == trial.Pass && (v.ValueMS.Or(0) > v.LimitMS || n.Errors() > 0) {
			c.wrongPasses++
		}
	}
	p, err := profiles.Read(path)
	if err != nil || len(p.Trials) != len(st.Trials) || p.End == nil || len(p.Warnings) > 0 {
		c.damaged++
	}
}

// soakRecording is the profile of a sweep.
type soakRecording struct {
	*profiles.Writer
	id, path string
}

func (r soakRecording) ID() string   { return r.id }
func (r soakRecording) Path() string { return r.path }

// End writes the last line and closes the file.
func (r soakRecording) End(state session.SweepState, code int) error {
	s := profiles.Done
	if state != session.Done {
		s = profiles.Stopped
	}
	return errors.Join(r.Writer.End(s, code), r.Close())
}

// recordSoak creates the profile of a sweep.
func recordSoak(path string, info sweep.Info, p plan.Plan) (session.Recording, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	sla, id := p.SLA, profiles.NewID(now)
	w, err := profiles.Create(path, profiles.Header{
		ID: id, Kind: profiles.Sweep, Created: now, Tool: "bench", Machine: profiles.ReadMachine(os.DirFS("/"), info.Cores),
		Model: profiles.Model{Name: info.Model.Name, Source: info.Model.Source, SHA256: info.Model.SHA256},
		SLA:   &sla, Plan: text, PlanHash: p.Hash(), Seed: p.Seed,
	}, profiles.Options{})
	if err != nil {
		return nil, err
	}
	return soakRecording{w, id, path}, nil
}
