package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// resumed is an interrupted sweep that is gone on with. The new profile holds
// those of its trials too that hold for the new plan, and names it.
type resumed struct {
	header profiles.Header // of its profile
	sweep  session.EarlierSweep
}

// resume reads the profile of --resume and returns the plan to go on with: that
// of --sweep=FILE, or else the profile's. Flags that were given win over it.
func (a *app) resume(fs *pflag.FlagSet, args []string, f *runFlags) (plan.Plan, *resumed, error) {
	prof, err := profiles.Open(a.env.profileDir(), f.resume)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	h := prof.Header
	if err := resumable(prof); err != nil {
		return plan.Plan{}, nil, err
	}
	r := &resumed{header: h}
	r.sweep.History = trial.History{Trials: prof.Trials, Probes: prof.Probes}
	if err := json.Unmarshal(h.Plan, &r.sweep.Plan); err != nil {
		return plan.Plan{}, nil, fmt.Errorf("%s: plan: %w", h.ID, err)
	}
	if f.planFile() {
		plans, err := f.plans(fs, args)
		if err != nil {
			return plan.Plan{}, nil, err
		}
		if len(plans) > 1 {
			return plan.Plan{}, nil, fmt.Errorf("%s holds %d plans, and --resume goes on with one", f.sweep, len(plans))
		}
		return plans[0], r, nil
	}
	p := r.sweep.Plan
	if addressLost(p.Target) && !fs.Changed("target") {
		return p, nil, withHint("add --target URL", "%s does not say where its server is", h.ID)
	}
	if len(args) == 0 && !strings.Contains(p.Model, ":") && filepath.Base(p.Model) == p.Model {
		return p, nil, withHint("write: sweetspot PATH/"+p.Model+" --sweep --resume="+h.ID,
			"%s does not say in which folder %s is", h.ID, p.Model)
	}
	p, err = f.overlay(fs, p, args)
	return p, r, err
}

// resumable says why a profile holds nothing to go on with, if it does not.
func resumable(p *profiles.Profile) error {
	h := p.Header
	show := "see: sweetspot profiles show " + h.ID
	switch {
	case h.Kind != profiles.Sweep:
		return withHint(show, "%s is a live recording: there is no sweep in it to resume", h.ID)
	case p.State() == profiles.Done:
		return withHint(show, "%s ran to its end: there is nothing to resume", h.ID)
	case p.State() == profiles.Running:
		return withHint("watch it: sweetspot --follow "+h.ID, "%s is still being written by another sweetspot", h.ID)
	}
	return nil
}

// checkResumed refuses to mix what cannot be compared; with --force it says so and does.
func (a *app) checkResumed(r *resumed, info sweep.Info, f *runFlags) error {
	if r == nil {
		return nil
	}
	err := r.header.CheckComparable(model(info), a.machine(info))
	switch {
	case err == nil:
		return nil
	case f.force:
		a.note(f, "mixed    %v (--force)", err)
		return nil
	}
	return withHint("add --force to mix them", "%w", err)
}

// earlier is the sweep that is resumed, and id names its profile; nil without one.
func (r *resumed) earlier() *session.EarlierSweep {
	if r == nil {
		return nil
	}
	return &r.sweep
}

func (r *resumed) id() *string {
	if r == nil {
		return nil
	}
	return &r.header.ID
}

// settled is the plan with its strategy chosen and its traces read; every plan
// goes through it.
func settled(p plan.Plan) (plan.Plan, error) {
	p, err := search.Complete(p)
	if err != nil {
		return p, err
	}
	p.Loads = slices.Clone(p.Loads)
	for i, l := range p.Loads {
		if p.Loads[i], err = load.Identify(l); err != nil {
			return p, withHint("a trace is a file with one send time a line, in seconds; a plan names it by load: {mode: trace, file: a.csv}", "%w", err)
		}
	}
	return p, p.Validate()
}
