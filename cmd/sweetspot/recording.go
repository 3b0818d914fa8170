package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sweetspot/engine/monitor"
	"sweetspot/engine/tensor"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// recording is a profile that a sweep or the workbench writes.
type recording struct {
	*profiles.Writer
	id, path string
	signal   *signals
}

func (r recording) ID() string   { return r.id }
func (r recording) Path() string { return r.path }

// End writes the last line and closes the file. code is the exit code of the sweep; if a
// signal ends the program, the profile has the exit code of that signal.
func (r recording) End(state session.SweepState, code int) error {
	s := map[session.SweepState]profiles.State{
		session.Done: profiles.Done, session.Aborted: profiles.Stopped, session.Failed: profiles.Failed,
	}[state]
	if c := r.signal.code(); c != 0 {
		code = c
	}
	err := r.Writer.End(s, code)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Live records a part of the live traffic, with a series of its seconds.
func (r recording) Live(t trial.Trial, seconds []session.Second) error {
	series := profiles.Series{StepS: 1}
	for _, s := range seconds {
		series.P99MS = append(series.P99MS, s.P99)
		series.RPS = append(series.RPS, trial.NumOf(float64(s.OK)))
		series.GPUPercent = append(series.GPUPercent, s.GPU)
	}
	return r.Recording(t, series)
}

// recordLive returns a function that creates a profile of live traffic, in the folder of
// profiles.
func (a *app) recordLive(sla trial.SLA, seed uint64) func(sweep.Info) (session.LiveRecording, error) {
	return func(info sweep.Info) (session.LiveRecording, error) {
		now := time.Now().UTC()
		id := profiles.NewID(now)
		path := profiles.Path(a.env.profileDir(), id)
		w, err := profiles.Create(path, profiles.Header{
			ID: id, Kind: profiles.Live, Created: now, Tool: "sweetspot " + version,
			Machine: a.machine(info), Model: model(info), SLA: &sla, Plan: json.RawMessage("{}"), Seed: seed,
		}, profiles.Options{Secrets: a.secrets.words()})
		if err != nil {
			return nil, err
		}
		return recording{w, id, path, a.signal}, nil
	}
}

// record returns a function that creates the profile of a sweep: in the folder of profiles
// or, if out is not empty, as profile.jsonl in out, with a link in the folder of profiles.
// resumes is the ID of the profile that the sweep resumes, nil if none, and shard the part of the
// grid.
func (a *app) record(out string, resumes *string, shard plan.Shard, tee io.Writer) func(sweep.Info, plan.Plan) (session.Recording, error) {
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
		part, err := part(p, shard, info)
		if err != nil {
			return nil, err
		}
		sla := p.SLA
		h := profiles.Header{
			ID: id, Kind: profiles.Sweep, Created: now, Tool: "sweetspot " + version,
			Machine: a.machine(info), Model: model(info), SLA: &sla,
			Plan: text, PlanHash: p.Hash(), Seed: p.Seed, Suite: suiteGroup(p), Resumes: resumes,
		}
		setShard(&h, part)
		w, err := profiles.Create(path, h, profiles.Options{Tee: tee, Secrets: append(p.Server.Secrets(), a.secrets.words()...)})
		if err != nil {
			return nil, err
		}
		if out != "" {
			if err := profiles.Link(a.env.profileDir(), id, path); err != nil { // the file system may not support links
				fmt.Fprintf(a.err, "%s can be found by its path only: %v\n", path, err)
			}
		}
		return recording{w, id, path, a.signal}, nil
	}
}

// suiteGroup returns the name of a plan of TorchServe's benchmark suite, "" for other plans.
func suiteGroup(p plan.Plan) string {
	if p.Suite == nil {
		return ""
	}
	return p.Suite.Group
}

// machine describes the machine of the target: this one, or a remote one, of which little
// more than the address is known.
func (a *app) machine(info sweep.Info) profiles.Machine {
	m := profiles.ReadMachine(os.DirFS("/"), a.limits().Cores)
	if info.Machine != "" {
		m = profiles.RemoteMachine(info.Machine)
		m.Cores = info.Cores
		if info.Memory > 0 {
			m.MemoryMB = trial.NumOf(float64(info.Memory))
		}
	}
	for _, d := range a.gpus.Devices {
		m.GPUs = append(m.GPUs, profiles.GPU{Name: d.Name, MemoryMB: trial.NumOf(float64(d.Memory) / 1e6)})
	}
	m.Runtime = info.Runtime
	return m
}

func model(info sweep.Info) profiles.Model {
	var batchAxis *bool
	if info.Model.BatchAxisKnown() {
		batchAxis = &info.Model.BatchAxis
	}
	return profiles.Model{
		Name: info.Model.Name, Version: info.Model.Version, Source: info.Model.Source,
		SHA256: info.Model.SHA256, BatchAxis: batchAxis, Padding: info.Model.Padding, Lengths: info.Model.Lengths,
		BodiesSHA256: info.Model.BodiesSHA256,
		Backend:      info.Model.Backend, Handler: info.Model.Handler,
		Inputs: tensors(info.Model.Inputs), Outputs: tensors(info.Model.Outputs),
		LargestBody: info.Model.LargestBody, MaxRequestSize: info.Model.MaxRequestSize,
	}
}

func tensors(specs []tensor.Spec) []profiles.Tensor {
	out := make([]profiles.Tensor, len(specs))
	for i, s := range specs {
		out[i] = profiles.Tensor{Name: s.Name, Type: s.Type.String(), Shape: s.Shape}
	}
	return out
}

// openGPU opens the monitor of the GPUs that a value of the device knob names; for the CPU, of all visible ones.
func (a *app) openGPU(device string) monitor.GPU {
	if a.blind {
		return monitor.NoGPU("not sampled: --no-gpu-sampling")
	}
	if !strings.HasPrefix(device, "gpu") {
		device = ""
	}
	return monitor.OpenGPU(monitor.GPUOptions{Device: device, Visible: a.env.visibleGPUs()})
}
