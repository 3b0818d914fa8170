package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/servercost"
)

// exportFor are the flags of export that choose settings for a running TorchServe.
type exportFor struct {
	target string
	model  string
	input  string
	force  bool
}

// forServer returns s with the settings that are predicted to be the best ones on a running TorchServe. A
// probe measures what that server adds to the service times of the profile.
func (a *app) forServer(ctx context.Context, p *profiles.Profile, s export.Source, f exportFor) (out export.Source, err error) {
	base, err := a.predictionBase(p, s, f.force)
	if err != nil {
		return s, err
	}
	remote := plan.Plan{Target: f.target, Model: f.model, Input: f.input, Seed: p.Header.Seed, SLA: base.plan.SLA}
	if remote.Model == "" {
		remote.Model = p.Header.Model.Name
	}
	if !isRemote(f.target) {
		return s, withHint("write: --target http://127.0.0.1:8081", "--target %q: want the management address of a running TorchServe", f.target)
	}
	t, err := a.openTarget(ctx, remote, startConfig(remote))
	if err != nil {
		return s, err
	}
	defer func() { err = closeTarget(ctx, t, err) }()
	info, err := t.Info(ctx)
	if err != nil {
		return s, err
	}
	points := base.points(info)
	if len(points) == 0 {
		return s, errors.New("no settings of the plan are possible on that server")
	}
	begin := time.Now()
	probes, err := sweep.ServerProbe{
		Target: t, Points: points, SLA: base.plan.SLA, Seed: p.Header.Seed,
		OnStep: func(done, total int, step servercost.Step) {
			if done < total {
				fmt.Fprintf(a.err, "load %d of %d  workers %d, batch %d, clients %d\n", done+1, total, step.Settings.Workers, step.Settings.BatchSize, step.Clients)
			}
		},
	}.Run(ctx)
	if err != nil {
		return s, err
	}
	cores := info.Cores
	if cores == 0 { // of a server elsewhere: the profile's machine is assumed
		cores = p.Header.Machine.Cores
	}
	fitted, err := servercost.Fit(base.service, max(cores, 1), probes)
	if err == nil {
		err = fitted.Check()
	}
	if err != nil {
		return s, err
	}
	all, err := fitted.Predict(points, base.simulatedLoad(), servercost.Promise{Q: base.plan.SLA.Percentile / 100, Limit: base.plan.SLA.Limit, Errors: base.plan.SLA.MaxErrorRate})
	if err != nil {
		return s, err
	}
	a.showPredicted(fitted, all, base, time.Since(begin))
	return base.source(p, s, fitted, all[0], time.Now()), nil
}

// predictionBase is what a profile has for predictions of another server.
type predictionBase struct {
	plan    plan.Plan
	load    load.Spec
	like    knob.Settings     // device, precision and threads of all predicted settings
	cores   int               // of the profile's machine
	service servicetime.Curve // of one worker
	workers int               // of service, if the profile has no times of one worker alone
}

// predictionBase returns what the profile of our own engine on this machine has.
func (a *app) predictionBase(p *profiles.Profile, s export.Source, force bool) (predictionBase, error) {
	h := p.Header
	b := predictionBase{like: s.Settings, cores: h.Machine.Cores}
	if err := json.Unmarshal(h.Plan, &b.plan); err != nil {
		return b, fmt.Errorf("%s: plan: %w", h.ID, err)
	}
	here := profiles.ReadMachine(os.DirFS("/"), a.limits().Cores)
	here.Runtime, here.GPUs = h.Machine.Runtime, h.Machine.GPUs
	switch {
	case !export.OnOwnEngine(s):
		return b, withHint("sweep the model with sweetspot's own engine first", "%s has the figures of %s", h.ID, export.MeasuredOn(s))
	case s.Options.Rule != knob.TorchServe:
		return b, fmt.Errorf("%s was measured under the %v rule: TorchServe has another one; measure again with --rule torchserve", h.ID, s.Options.Rule)
	case s.Settings.Device != "cpu" || s.Settings.Threads != 1:
		return b, withHint("sweep the model with --device cpu --threads 1", "%s chose %s with %d threads a worker; a prediction for TorchServe needs one thread on the CPU", h.ID, s.Settings.Device, s.Settings.Threads)
	case here.Complete().Class != h.Machine.Class && !force:
		return b, withHint("make the sweep on the machine of the TorchServe, or add --force", "%s was measured on another machine, whose service times are not those of this one", h.ID)
	}
	b.load = s.Trial.Load
	if b.load.Mode != load.Closed && b.load.Mode != load.Open {
		return b, fmt.Errorf("%s: the load is a %v; only a number of clients or a rate can be predicted", h.ID, b.load)
	}
	key := profiles.CurveKeyOf(s.Settings)
	for k, curve := range p.ServiceTimes() {
		n := k.Workers
		k.Workers = key.Workers
		if k == key && (b.workers == 0 || n < b.workers) {
			b.workers, b.service = n, curve
		}
	}
	if b.workers == 0 {
		return b, fmt.Errorf("%s has no service times of the chosen settings: its server does not report them", h.ID)
	}
	return b, nil
}

// points returns the settings of the plan with the device, precision and threads of the choice, as
// the server can have them.
func (b predictionBase) points(info sweep.Info) []knob.Settings {
	all, _ := b.plan.Points(knob.Limits{Rule: knob.TorchServe, Cores: b.cores, BatchAxis: true}, b.like, nil)
	var out []knob.Settings
	for _, p := range all {
		s := p.Settings
		if s.Device != b.like.Device || s.Precision != b.like.Precision || s.Threads != b.like.Threads {
			continue
		}
		s.QueueSize = info.Current.QueueSize
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// simulatedLoad returns the load of the choice.
func (b predictionBase) simulatedLoad() servercost.Load {
	const requests = 10_000
	if b.load.Mode == load.Open {
		return servercost.Load{Arrivals: load.Plan(b.load, b.plan.Seed, time.Hour, requests), Seed: b.plan.Seed}
	}
	return servercost.Load{Clients: b.load.Concurrency, Requests: max(requests, 50*b.load.Concurrency), Seed: b.plan.Seed}
}

// shownPredictions is the number of settings that showPredicted shows.
const shownPredictions = 8

// showPredicted prints what the probe has found, and the best predictions.
func (a *app) showPredicted(f servercost.Fitted, all []servercost.Prediction, b predictionBase, took time.Duration) {
	fmt.Fprintf(a.err, "\nTorchServe needs %v, in %v\n", f, took.Round(time.Second))
	if why := f.Doubt(); why != "" {
		fmt.Fprintln(a.err, "warning: "+why)
	}
	if b.workers > 1 {
		fmt.Fprintf(a.err, "the profile has no service times of one worker: those of %d are used, which may be longer\n", b.workers)
	}
	fmt.Fprintf(a.err, "predicted for it under %v, not measured:\n\n", b.load)
	w := tabwriter.NewWriter(a.err, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "workers\tbatch\tdelay ms\treq/s\tP%g ms\tmean batch\tpromise\n", b.plan.SLA.Percentile)
	for _, p := range all[:min(len(all), shownPredictions)] {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%.1f\t%.1f\t%s\n", p.Settings.Display(knob.Workers), p.Settings.Display(knob.BatchSize), p.Settings.Display(knob.BatchDelay),
			p.Rate, p.Value, p.Batch, map[bool]string{true: "kept", false: "BROKEN"}[p.Keeps])
	}
	w.Flush() //nolint:errcheck // stderr
	fmt.Fprintln(a.err)
}

// source returns s with the settings of a prediction, and the figures that our engine had with them, if
// the profile has any.
func (b predictionBase) source(p *profiles.Profile, s export.Source, f servercost.Fitted, best servercost.Prediction, now time.Time) export.Source {
	chosen := s.Settings
	chosen.Workers, chosen.BatchSize, chosen.BatchDelay = best.Settings.Workers, best.Settings.BatchSize, best.Settings.BatchDelay
	promise := fmt.Sprintf("P%g %.3g ms, limit %v", b.plan.SLA.Percentile, best.Value, b.plan.SLA.Limit)
	if !best.Keeps {
		promise += ": no predicted setting keeps the promise, and these are the nearest"
	}
	s.Load = b.load
	s.Predicted = fmt.Sprintf("Predicted for a running TorchServe, with its cost as a probe found it on %s: %.4g requests/s, %s. It needs %v. A prediction is no measurement.",
		now.UTC().Format("2006-01-02"), best.Rate, promise, f)
	if chosen == s.Settings {
		return s
	}
	s.Settings, s.Trial, s.Runs, s.Date = chosen, nil, 0, now
	for _, t := range p.Trials {
		if t.Settings == chosen && t.Load == b.load && t.Options == s.Options {
			s.Trial, s.Runs, s.Date = &t, 1, t.At
		}
	}
	return s
}

// notMeasured says that the exported settings were only predicted.
func (a *app) notMeasured(s export.Source) error {
	fmt.Fprintf(a.err, "not measured on that TorchServe yet; this measures it:\n  %s\n", export.CheckCommand(s))
	return exit{exitCannotTell}
}
