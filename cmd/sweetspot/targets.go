package main

import (
	"context"
	"fmt"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
)

// targetKind is one kind of thing that a sweep drives.
type targetKind struct {
	name string // what --target and a plan call it: a word, or what its addresses begin with, such as http://
	help string // a few words
	live bool   // it carries live load, so that the workbench can drive it too
	open func(ctx context.Context, a *app, p plan.Plan, start knob.Config) (sweep.Target, error)
}

// targetKinds is the one table of targets, the default first.
func targetKinds() []targetKind {
	return []targetKind{
		{
			"local", "an engine of our own for the model, on this machine", true,
			func(ctx context.Context, a *app, p plan.Plan, start knob.Config) (sweep.Target, error) {
				t, err := a.startTarget(ctx, p, start)
				if err != nil {
					return nil, err // not t: a nil *Target is no nil Target
				}
				return t, nil
			},
		},
		{
			"virtual", "the device of a sim: model, in virtual time", false,
			func(_ context.Context, _ *app, p plan.Plan, _ knob.Config) (sweep.Target, error) {
				return openVirtual(p)
			},
		},
	}
}

// called tells whether a target's text names a target of this kind.
func (k targetKind) called(target string) bool {
	return target == k.name || strings.HasSuffix(k.name, "://") && strings.HasPrefix(target, k.name)
}

// kindOf finds the kind of a target; "" is the default. Of what is not there it says
// what there is.
func (a *app) kindOf(target string) (targetKind, error) {
	var there []string
	for i, k := range a.targets {
		if k.called(target) || target == "" && i == 0 {
			return k, nil
		}
		there = append(there, fmt.Sprintf("%s (%s)", k.name, k.help))
	}
	return targetKind{}, withHint("leave target out, or write one of them", "target %q is not available; there is %s", target, strings.Join(there, ", "))
}

// openTarget opens what a plan drives, with the start settings where it serves the
// model itself.
func (a *app) openTarget(ctx context.Context, p plan.Plan, start knob.Config) (sweep.Target, error) {
	k, err := a.kindOf(p.Target)
	if err != nil {
		return nil, err
	}
	return k.open(ctx, a, p, start)
}

// openLive opens a target that carries live load.
func (a *app) openLive(ctx context.Context, p plan.Plan, start knob.Config) (session.Target, error) {
	t, err := a.openTarget(ctx, p, start)
	if err != nil {
		return nil, err
	}
	live, ok := t.(session.Target)
	if !ok {
		return nil, fmt.Errorf("target %q carries no live load", p.Target)
	}
	return live, nil
}

// targetHelp lists the kinds for the help.
func targetHelp(kinds []targetKind) string {
	var parts []string
	for _, k := range kinds {
		text := k.name + ", " + k.help
		if !k.live {
			text += " (with --sweep)"
		}
		parts = append(parts, text)
	}
	return "what is driven: " + strings.Join(parts, "; ")
}

// servesItsOwn tells whether a target is a server elsewhere that has its model
// already.
func servesItsOwn(target string) bool { return strings.Contains(target, "://") }

// addressLost tells whether a profile's plan has a target whose address it does not
// tell.
func addressLost(target string) bool {
	_, rest, _ := strings.Cut(target, "://")
	return rest == "remote" || strings.HasPrefix(rest, "remote:")
}
