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
	"sweetspot/sweep/trial"
)

// resumed is an interrupted sweep that is gone on with. The new profile holds
// its trials too, and names it.
type resumed struct {
	from   string // ID of its profile
	sha256 string // of its model
	class  string // of its machine
	found  trial.History
}

// resume reads the profile of --resume and returns its plan. Flags that were
// given win over the plan, as over a file.
func (a *app) resume(fs *pflag.FlagSet, args []string, f *runFlags) (plan.Plan, *resumed, error) {
	prof, err := profiles.Open(a.env.profileDir(), f.resume)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	h := prof.Header
	if prof.State() == profiles.Done {
		return plan.Plan{}, nil, withHint("see: sweetspot profiles show "+h.ID, "%s ran to its end: there is nothing to resume", h.ID)
	}
	var p plan.Plan
	if err := json.Unmarshal(h.Plan, &p); err != nil {
		return p, nil, fmt.Errorf("%s: plan: %w", h.ID, err)
	}
	if len(args) == 0 && !strings.Contains(p.Model, ":") && filepath.Base(p.Model) == p.Model {
		return p, nil, withHint("write: sweetspot PATH/"+p.Model+" --sweep --resume="+h.ID,
			"%s does not say in which folder %s is", h.ID, p.Model)
	}
	if p, err = f.overlay(fs, p, args); err != nil {
		return p, nil, err
	}
	r := &resumed{from: h.ID, sha256: h.Model.SHA256, class: h.Machine.Class}
	r.found = trial.History{Trials: prof.Trials, Probes: prof.Probes}
	return p, r, nil
}

// check refuses to mix what cannot be compared. It is safe on nil.
func (r *resumed) check(info sweep.Info, force bool) error {
	switch {
	case r == nil || force:
		return nil
	case r.sha256 != info.Model.SHA256:
		return withHint("add --force to mix them", "%s measured another model of that name (sha256 %.12s, this is %.12s)", r.from, r.sha256, info.Model.SHA256)
	case r.class != machine(info).Complete().Class:
		return withHint("add --force to mix them", "%s was measured on another kind of machine", r.from)
	}
	return nil
}

// done is what is brought along, and id names its profile; nothing and nil
// without one.
func (r *resumed) done() trial.History {
	if r == nil {
		return trial.History{}
	}
	return r.found
}

func (r *resumed) id() *string {
	if r == nil {
		return nil
	}
	return &r.from
}

// settled is the plan with its strategy chosen and its traces read; every plan
// goes through it.
func settled(p plan.Plan) (plan.Plan, error) {
	p, err := search.Settle(p)
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
