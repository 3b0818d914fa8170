package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sweetspot/engine/monitor"
	"sweetspot/engine/tensor"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// recording is a profile being written by a sweep.
type recording struct {
	*profiles.Writer
	id, path string
	signal   *signals
}

func (r recording) ID() string   { return r.id }
func (r recording) Path() string { return r.path }

// End writes the last line and closes the file. code is the sweep's exit code; a
// signal that ends the program gives it another.
func (r recording) End(state session.SweepState, code int) error {
	s := map[session.SweepState]profiles.State{
		session.Done: profiles.Done, session.Aborted: profiles.Stopped, session.Failed: profiles.Failed,
	}[state]
	if by := r.signal.code(); by != 0 {
		code = by
	}
	err := r.Writer.End(s, code)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Live records a stretch of live traffic with its seconds.
func (r recording) Live(t trial.Trial, seconds []session.Second) error {
	series := profiles.Series{StepS: 1}
	for _, s := range seconds {
		series.P99MS = append(series.P99MS, s.P99)
		series.RPS = append(series.RPS, trial.Of(float64(s.OK)))
		series.GPUPercent = append(series.GPUPercent, s.GPU)
	}
	return r.Recording(t, series)
}

// recordLive opens the profile of live traffic, in the profiles' folder.
func (a *app) recordLive(sla trial.SLA, seed uint64) func(sweep.Info) (session.LiveRecording, error) {
	return func(info sweep.Info) (session.LiveRecording, error) {
		now := time.Now().UTC()
		id := profiles.NewID(now)
		path := profiles.Path(a.env.profileDir(), id)
		w, err := profiles.Create(path, profiles.Header{
			ID: id, Kind: profiles.Live, Created: now, Tool: "sweetspot " + version,
			Machine: a.machine(info), Model: model(info), SLA: &sla, Plan: json.RawMessage("{}"), Seed: seed,
		}, profiles.Options{})
		if err != nil {
			return nil, err
		}
		return recording{w, id, path, a.signal}, nil
	}
}

// record opens the profile of a sweep, in the profiles' folder or, with an out
// folder, as its profile.jsonl with a link to it there. resumes is the profile it goes on from, or nil.
func (a *app) record(out string, resumes *string, tee io.Writer) func(sweep.Info, plan.Plan) (session.Recording, error) {
	return func(info sweep.Info, p plan.Plan) (session.Recording, error) {
		now := time.Now().UTC()
		id := profiles.NewID(now)
		path := profiles.Path(a.env.profileDir(), id)
		if out != "" {
			path = filepath.Join(out, profiles.FileName)
		}
		text, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		sla := p.SLA
		w, err := profiles.Create(path, profiles.Header{
			ID: id, Kind: profiles.Sweep, Created: now, Tool: "sweetspot " + version,
			Machine: a.machine(info), Model: model(info), SLA: &sla,
			Plan: text, PlanHash: p.Hash(), Seed: p.Seed, Resumes: resumes,
		}, profiles.Options{Tee: tee})
		if err != nil {
			return nil, err
		}
		if out != "" {
			if err := profiles.Link(a.env.profileDir(), id, path); err != nil { // a file system may have no links
				fmt.Fprintf(a.err, "%s is found by its path only: %v\n", path, err)
			}
		}
		return recording{w, id, path, a.signal}, nil
	}
}

// machine is the one that serves: this one, or one that is known by little more than
// its address.
func (a *app) machine(info sweep.Info) profiles.Machine {
	m := profiles.ReadMachine(os.DirFS("/"), a.limits().Cores)
	if info.Machine != "" {
		m = profiles.RemoteMachine(info.Machine)
		m.Cores = info.Cores
		if info.Memory > 0 {
			m.MemoryMB = trial.Of(float64(info.Memory))
		}
	}
	m.Runtime = info.Runtime
	return m
}

func model(info sweep.Info) profiles.Model {
	return profiles.Model{
		Name: info.Model.Name, Version: info.Model.Version, Source: info.Model.Source,
		SHA256: info.Model.SHA256, BatchAxis: info.Model.BatchAxis,
		Inputs: tensors(info.Model.Inputs), Outputs: tensors(info.Model.Outputs),
	}
}

func tensors(specs []tensor.Spec) []profiles.Tensor {
	out := make([]profiles.Tensor, len(specs))
	for i, s := range specs {
		out[i] = profiles.Tensor{Name: s.Name, Type: s.Type.String(), Shape: s.Shape}
	}
	return out
}

// openGPU is the GPU to watch on this machine.
func openGPU() monitor.GPU { return monitor.OpenGPU(monitor.GPUOptions{}) }
