package main

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

// introduce prints the model, the load and the promise, before the first request.
func (a *app) introduce(p plan.Plan, info sweep.Info, f *runFlags) {
	a.note(f, "model    %s", modelText(p, info))
	switch {
	case info.Model.BatchAxis:
		a.note(f, "batch    %s", info.Model.BatchWhy)
	case info.Model.BatchAxisKnown():
		a.note(f, "batch    size 1 only: %s", info.Model.BatchWhy)
	}
	for _, w := range info.Model.Warnings {
		a.note(f, "warning  %s", w)
	}
	switch {
	case p.Input != "":
		a.note(f, "bodies   from %s", p.Input)
		if info.Model.Images != "" {
			a.note(f, "images   %s", info.Model.Images)
		}
	case info.Model.Made != "":
		a.note(f, "bodies   %s", info.Model.Made)
	case len(info.Model.Inputs) > 0: // a virtual device has none
		a.note(f, "bodies   %s", handler.Describe(info.Model.Inputs))
		if info.Model.Lengths != "" {
			a.note(f, "lengths  %s%s", info.Model.Lengths, madeUp(p))
		}
	}
	if info.Model.Padding != "" {
		a.note(f, "padding  %s", info.Model.Padding)
	}
	if text := sizeNote(info.Model); text != "" {
		a.note(f, "size     %s", text)
	}
	origin := ""
	if f.slaOrigin != "" {
		origin = " (" + f.slaOrigin + ")"
	}
	a.note(f, "promise  %v, at %v%s", p.SLA, loadText(p), origin)
	a.note(f, "timeout  %s", timeoutText(p))
	if own := info.Knobs().Own(); len(own) > 0 {
		a.note(f, "knobs    %s, own knobs of the target", own.Names())
	}
	if info.MaxRate > 0 {
		a.note(f, "rate     at most %g requests/s (--max-rate)", info.MaxRate)
	}
	if info.MetricsWhy != "" {
		a.note(f, "metrics  n/a: %s", info.MetricsWhy)
	}
	engine := fmt.Sprintf("%d cores", info.Cores)
	if info.Cores == 0 {
		engine = info.Runtime
	}
	if info.Machine != "" {
		a.note(f, "server   %s; n/a: %s", info.Machine, strings.Join(unreported(info), ", "))
		return
	}
	a.note(f, "engine   %s, %s", engine, p.Options.Rule.Describe())
	for _, n := range info.Notes {
		a.note(f, "note     %s", n)
	}
}

// noteVaried says which own knobs of the target are varied although the plan does not name them, and
// why not the others.
func (a *app) noteVaried(names []knob.Name, info sweep.Info, f *runFlags) {
	if len(names) == 0 {
		return
	}
	varied := make([]string, len(names))
	for i, n := range names {
		varied[i] = string(n)
	}
	text := strings.Join(varied, ", ") + ", because no own knob is named and these change without a reload"
	var others []string
	for _, k := range info.Knobs().Own() {
		if !slices.Contains(names, k.Name) {
			others = append(others, fmt.Sprintf("%s (%s)", k.Name, k.Cost))
		}
	}
	if others != nil {
		text += "; not varied: " + strings.Join(others, ", ")
	}
	a.note(f, "varied   %s; --knob NAME=VALUES names others", text)
}

// modelText returns the name of the model, its source, and its runtime.
func modelText(p plan.Plan, info sweep.Info) string {
	text := info.Model.Name
	if p.Model != "" {
		text += " (" + p.Model + ")"
	}
	if info.Runtime != "" {
		text += ", " + info.Runtime
	}
	return text
}

// unreported returns the figures and knobs that a target does not report.
func unreported(info sweep.Info) []string {
	t := info.Metrics
	var out []string
	for _, f := range []struct {
		reported bool
		name     string
	}{
		{t.ModelLatency, "model latency"}, {t.Batches, "batches"}, {t.Breakdown, "breakdown"}, {t.Utilization, "utilization"}, {t.Memory, "memory"},
	} {
		if !f.reported {
			out = append(out, f.name)
		}
	}
	if info.Options.Rule == knob.RuleUnreported {
		out = append(out, "batching rule")
	}
	for _, n := range info.Limits.Unreported {
		out = append(out, string(n))
	}
	return out
}

// timeoutText describes the time limit of a request.
func timeoutText(p plan.Plan) string {
	switch {
	case p.Target == plan.Virtual && p.Timeout == 0:
		return "none: a virtual device answers every request"
	case p.Timeout == 0:
		return fmt.Sprintf("%v a request, from the promise", p.RequestTimeout())
	}
	return fmt.Sprintf("%v a request", p.Timeout)
}

// loadText describes the load of the plan, or that the highest load is searched.
func loadText(p plan.Plan) string {
	if p.Question == plan.Replicas {
		return fmt.Sprintf("%v in all, for the fewest replicas", p.Loads[0])
	}
	if p.Question.SeeksRate() {
		text := "the highest open load"
		if l := p.Loads[0]; l.Mode == load.Open && l.Arrivals == load.Constant {
			text += ", constant arrivals"
		}
		return text
	}
	var out []string
	for _, l := range p.Loads {
		out = append(out, l.String())
	}
	return strings.Join(out, ", ")
}
