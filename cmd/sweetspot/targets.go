package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
)

// targetKind is one kind of target.
type targetKind struct {
	name  string   // name in --target and in plans: a word, or the prefix of its addresses, such as http://
	help  string   // short description
	live  bool     // whether the workbench can send live load to it
	flags []string // flags of givenFlags that have an effect on it, without dashes; what a plan has too is checked with the plan
	open  func(ctx context.Context, a *app, p plan.Plan, start knob.Config) (sweep.Target, error)
}

// localTarget is the default.
const localTarget = "local"

// targetKinds returns all kinds of targets.
func targetKinds() []targetKind {
	oip := []string{"inference", "key-file", "header", "ca", "max-rate"}
	running := append([]string{"metrics"}, oip...)
	return []targetKind{
		{
			localTarget, "an engine for the model, on this machine", true,
			[]string{"python"},
			func(ctx context.Context, a *app, p plan.Plan, start knob.Config) (sweep.Target, error) {
				t, err := a.startTarget(ctx, p, start)
				if err != nil {
					return nil, err // not t: an interface with a nil *Target is not nil
				}
				return t, nil
			},
		},
		{
			plan.Virtual, "the simulated device of a sim: model, in virtual time", false, nil,
			func(_ context.Context, _ *app, p plan.Plan, _ knob.Config) (sweep.Target, error) {
				return openVirtual(p)
			},
		},
		{
			plan.Command, "a server that the plan starts by a command", true, nil,
			func(ctx context.Context, a *app, p plan.Plan, start knob.Config) (sweep.Target, error) {
				return a.openCommand(ctx, p, start)
			},
		},
		{plan.TorchServe, "a TorchServe that is started for an archive", true, []string{"header", "max-rate", "torchserve"}, startTorchServe},
		{"http://", "a TorchServe that runs, by its management address; several for a fleet behind --inference", true, running, openTorchServe},
		{"https://", "the same, with TLS", true, running, openTorchServe},
		{"oip+http://", "a server that speaks the Open Inference Protocol: Triton, KServe, OpenVINO Model Server, MLServer", true, oip, openOIP},
		{"oip+https://", "the same, with TLS", true, oip, openOIP},
		{"oip+grpc://", "the same over gRPC", true, oip, openOIP},
		{"oip+grpcs://", "the same over gRPC with TLS", true, oip, openOIP},
	}
}

// matches reports whether a target is of this kind.
func (k targetKind) matches(target string) bool {
	return target == k.name || strings.HasSuffix(k.name, "://") && strings.HasPrefix(target, k.name)
}

// kindOf returns the kind of a target; "" is the default. The error of an unknown target
// lists the known ones.
func (a *app) kindOf(target string) (targetKind, error) {
	for _, k := range slices.Backward(a.targets) { // an additional kind has priority over one with the same prefix
		if k.matches(target) || target == "" && k.name == localTarget {
			return k, nil
		}
	}
	var known []string
	for _, k := range a.targets {
		known = append(known, fmt.Sprintf("%s (%s)", k.name, k.help))
	}
	return targetKind{}, withHint("leave out target, or use one of these", "target %q is unknown; known: %s", target, strings.Join(known, ", "))
}

// givenFlags returns the names, without dashes, of the flags that were given and have no effect on some targets.
func (a *app) givenFlags() []string {
	out := a.remote.given()
	if a.python != "" {
		out = append(out, "python")
	}
	return out
}

// checkTargetFlags returns an error if a flag was given that has no effect on any of the targets.
func (a *app) checkTargetFlags(targets ...string) error {
	var kinds []targetKind
	for _, target := range targets {
		k, err := a.kindOf(target)
		if err != nil {
			return err
		}
		kinds = append(kinds, k)
	}
	for _, flag := range a.givenFlags() {
		takes := func(k targetKind) bool { return slices.Contains(k.flags, flag) }
		if slices.ContainsFunc(kinds, takes) {
			continue
		}
		var useful []string
		for _, k := range a.targets {
			if takes(k) {
				useful = append(useful, k.name)
			}
		}
		hint := fmt.Sprintf("leave it out; it is for --target %s", strings.Join(useful, ", "))
		if len(kinds) == 0 {
			return withHint(hint, "--%s has no effect without --target", flag)
		}
		return withHint(hint, "--%s has no effect on target %s", flag, kinds[0].name)
	}
	return nil
}

// openTarget opens the target of a plan. A target on this machine starts with the start
// settings.
func (a *app) openTarget(ctx context.Context, p plan.Plan, start knob.Config) (sweep.Target, error) {
	k, err := a.kindOf(p.Target)
	if err != nil {
		return nil, err
	}
	return k.open(ctx, a, p, start)
}

// openLive opens a target for live load.
func (a *app) openLive(ctx context.Context, p plan.Plan, start knob.Config) (session.Target, error) {
	t, err := a.openTarget(ctx, p, start)
	if err != nil {
		return nil, err
	}
	live, ok := t.(session.Target)
	if !ok {
		return nil, fmt.Errorf("target %q cannot have live load", p.Target)
	}
	return live, nil
}

// targetHelp returns the help text with all kinds.
func targetHelp(kinds []targetKind) string {
	var parts []string
	for _, k := range kinds {
		text := k.name + ", " + k.help
		if !k.live {
			text += " (with --sweep)"
		}
		parts = append(parts, text)
	}
	return "target: " + strings.Join(parts, "; ")
}

// targetFlag is the value of --target, which may be given several times for a fleet.
type targetFlag struct {
	value *string
	given bool
}

func (t *targetFlag) String() string { return *t.value }

// Type returns the name of the value in the help.
func (t *targetFlag) Type() string { return "string" }

// Set sets the first value and adds the others after commas.
func (t *targetFlag) Set(text string) error {
	if t.given {
		text = *t.value + "," + text
	}
	*t.value, t.given = text, true
	return nil
}

// hasOwnModel reports whether a target has its model already, so that a plan needs none.
func hasOwnModel(target string) bool { return isRemote(target) || target == plan.Command }

// isRemote reports whether a target is a remote server.
func isRemote(target string) bool { return strings.Contains(target, "://") }

// addressLost reports whether the target in the plan of a profile is a remote server, whose
// address the profile does not have.
func addressLost(target string) bool {
	return slices.ContainsFunc(plan.Targets(target), func(at string) bool {
		_, rest, _ := strings.Cut(at, "://")
		return rest == "remote" || strings.HasPrefix(rest, "remote:")
	})
}
