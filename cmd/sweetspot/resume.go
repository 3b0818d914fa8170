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

// resumed is an interrupted sweep that a new sweep resumes. The new profile has its ID, and
// copies of its trials that are valid for the new plan.
type resumed struct {
	header profiles.Header // header of its profile
	sweep  session.EarlierSweep
	done   bool // it was completed: only its choice is held
}

// resume reads the profile of --resume and returns the plan of the new sweep: that of
// --sweep=FILE, or else that of the profile. Flags have priority over it.
func (a *app) resume(fs *pflag.FlagSet, args []string, f *runFlags) (plan.Plan, *resumed, error) {
	prof, err := profiles.Open(a.env.profileDir(), f.resume)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	h := prof.Header
	if err := resumable(prof, f.hold > 0); err != nil {
		return plan.Plan{}, nil, err
	}
	r := &resumed{header: h, done: prof.State() == profiles.Done}
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
			return plan.Plan{}, nil, fmt.Errorf("%s has %d plans, but --resume needs exactly one", f.planPath(), len(plans))
		}
		return plans[0], r, nil
	}
	p := r.sweep.Plan
	if p.Target == plan.Command {
		return p, nil, withHint("add --plan FILE", "%s does not have the complete command of its server", h.ID)
	}
	if addressLost(p.Target) && !fs.Changed("target") {
		return p, nil, withHint("add --target URL", "%s does not have the address of its server", h.ID)
	}
	if len(args) == 0 && !strings.Contains(p.Model, ":") && filepath.Base(p.Model) == p.Model {
		return p, nil, withHint("write: sweetspot PATH/"+p.Model+" --sweep --resume="+h.ID,
			"%s does not have the folder of %s", h.ID, p.Model)
	}
	p, err = f.overlay(fs, p, args)
	return p, r, err
}

// resumable returns an error if a profile cannot be resumed. A completed one can only be resumed to hold its choice.
func resumable(p *profiles.Profile, hold bool) error {
	h := p.Header
	show := "see: sweetspot profiles show " + h.ID
	switch {
	case h.Kind != profiles.Sweep:
		return withHint(show, "%s is a live recording, not a sweep: it cannot be resumed", h.ID)
	case p.State() == profiles.Done && hold:
		if _, ok := p.Choice(); !ok {
			return withHint(show, "%s chose nothing: there is nothing to hold", h.ID)
		}
	case p.State() == profiles.Done:
		return withHint(show+"; to hold its choice, add --hold 1h", "%s was completed: there is nothing to resume", h.ID)
	case p.State() == profiles.Running:
		return withHint("to follow it: sweetspot --follow "+h.ID, "%s is still being written by another sweetspot", h.ID)
	}
	return nil
}

// checkResumed returns an error if the trials of the resumed sweep are not comparable with the
// new ones. With --force it only prints a note.
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

// earlier returns the resumed sweep, and id the ID of its profile; nil if there is none.
func (r *resumed) earlier() *session.EarlierSweep {
	if r == nil {
		return nil
	}
	return &r.sweep
}

// complete reports whether the resumed sweep was completed, so that there is nothing to search.
func (r *resumed) complete() bool { return r != nil && r.done }

func (r *resumed) id() *string {
	if r == nil {
		return nil
	}
	return &r.header.ID
}

// complete returns the plan with a strategy and with the content of its traces. All plans are
// completed.
func complete(p plan.Plan) (plan.Plan, error) {
	p, err := search.Complete(p)
	if err != nil {
		return p, err
	}
	p.Loads = slices.Clone(p.Loads)
	for i, l := range p.Loads {
		if p.Loads[i], err = load.Identify(l); err != nil {
			return p, withHint("a trace is a file with one send time per line, in seconds; in a plan: load: {mode: trace, file: a.csv}", "%w", err)
		}
	}
	return p, p.Validate()
}
