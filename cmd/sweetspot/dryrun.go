package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/target/command"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

// dryRun is what --dry-run prints with --json.
type dryRun struct {
	Name     string          `json:"name,omitempty"`    // of the plan, if there are several
	Model    string          `json:"model,omitempty"`   // of the plan, if there are several
	Plan     json.RawMessage `json:"plan"`              // the canonical plan; its keys are those of plan files
	PlanHash string          `json:"plan_hash"`         // "sha256:..."
	Shard    *plan.Shard     `json:"shard,omitempty"`   // i/n; absent for the whole grid
	Grid     *plan.Grid      `json:"grid,omitempty"`    // that the shards divide; absent for the whole grid
	Control  *plan.Control   `json:"control,omitempty"` // of all shards; absent for the whole grid
	Points   []dryPoint      `json:"points"`            // in the order of the plan; of a shard only its own
	Skipped  []trial.Skip    `json:"skipped"`           // settings that would not be measured
	Text     []string        `json:"text"`              // for people: the order of the search and how long it takes
	Warnings []string        `json:"warnings"`
	Error    string          `json:"error,omitempty"` // why the plan could not be read, if there are several
}

// dryPoint is a setting under a load that would be measured.
type dryPoint struct {
	Settings knob.Settings `json:"settings"`
	Load     load.Spec     `json:"load"`
	Reason   string        `json:"reason,omitempty"` // remarks on it
	Suite    string        `json:"suite,omitempty"`  // its name in TorchServe's benchmark suite
}

// dryRuns is what --dry-run prints with --json for several plans.
type dryRuns struct {
	Plans []dryRun `json:"plans"`
	Exit  int      `json:"exit"` // exit code
}

// dryRunOne prints what would be tried, or with --json returns it. Files in a plan file that do not exist, such as the
// archive and the input of a benchmark suite of another machine, are reported and
// ignored, because the points depend little on them. Files on the command line must
// exist.
func (a *app) dryRunOne(ctx context.Context, j job, f *runFlags) (*dryRun, error) {
	p := j.plan
	if _, err := readBodies(p.Input, p.ContentType); err != nil {
		if f.input != "" {
			return nil, err
		}
		a.note(f, "without  input %s: %s; the points do not depend on it", p.Input, cause(err, p.Input))
		p.Input = "" // so that the model can be opened
	}
	info, err := a.inspect(ctx, &p, f)
	switch {
	case err == nil:
		j.plan.SLA = p.SLA
		asked := j.plan
		if j.plan, err = sweep.PlanFor(j.plan, info); err != nil {
			return nil, err
		}
		if err := a.checkResumed(j.old, info, f); err != nil {
			return nil, err
		}
		a.introduce(j.plan, info, f)
		a.noteVaried(j.plan.OwnNotIn(asked), info, f)
	case ctx.Err() != nil || !j.named || p.Target == plan.Command:
		return nil, err
	default:
		info = a.assumedInfo(p)
		a.note(f, "without  model %s: %s", p.Model, cause(err, p.Model))
		a.note(f, "assumed  that its items can be batched, and the %d cores of this machine; knobs that the model or its server cannot change are not left out", info.Cores)
		a.note(f, "promise  %v, at %v", p.SLA, loadText(p))
	}
	part, err := part(j.plan, j.shard, info)
	if err != nil {
		return nil, err
	}
	a.noteShard(part, f)
	d, err := a.dryRun(j.plan, info, part)
	if err != nil || f.json != "" {
		return d, err
	}
	return nil, a.writeDryRun(j.plan, d)
}

// inspect returns the description of the target of a plan. For the demonstration it sets the
// promise.
func (a *app) inspect(ctx context.Context, p *plan.Plan, f *runFlags) (sweep.Info, error) {
	if p.Target == plan.Command {
		return command.Describe(ctx, a.commandConfig(*p, startConfig(*p)))
	}
	t, err := a.openTarget(ctx, *p, startConfig(*p))
	if err != nil {
		return sweep.Info{}, err
	}
	defer t.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the child ends in any case
	info, err := t.Info(ctx)
	if err == nil && f.demo {
		p.SLA, f.slaOrigin = demoPromise(ctx, t, *p)
		err = ctx.Err()
	}
	return info, err
}

// assumedInfo returns a description for a plan whose model cannot be opened: with the cores of
// this machine, the start settings of the plan, and a model with a batch axis.
func (a *app) assumedInfo(p plan.Plan) sweep.Info {
	cores := a.limits().Cores
	var own []knob.Knob
	for _, k := range knob.OptionKnobs() {
		if slices.Contains(p.OptionKnobs(), k.Name) {
			own = append(own, k)
		}
	}
	return sweep.Info{
		Options: p.Options, Current: startConfig(p).Settings, Metrics: trial.AllMetrics(), Cores: cores,
		Limits: knob.Limits{Rule: p.Options.Rule, Cores: cores, BatchAxis: true, Own: own},
	}
}

// cause returns the first line of an error, without the name of the file and without the
// flag, which is a key of the plan here.
func cause(err error, name string) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	for _, prefix := range []string{"--input: ", "stat ", name + ": "} {
		first = strings.TrimPrefix(first, prefix)
	}
	return first
}

// dryRun returns the canonical plan, its points in order, what is skipped, and the expected
// time.
func (a *app) dryRun(p plan.Plan, info sweep.Info, part *plan.Part) (*dryRun, error) {
	a.secrets.addTarget(torchserve.Config{}, p)
	document, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	points, skipped := p.Points(info.Limits, info.Current, info.Fixed)
	if part != nil {
		points = part.Points
	}
	strategy, err := search.New(p, points, info.Metrics)
	if err != nil {
		return nil, err
	}
	d := &dryRun{
		Plan: document, PlanHash: p.Hash(), Points: []dryPoint{}, Skipped: append([]trial.Skip{}, skipped...),
		Text:     slices.Concat(strategy.Outline(), []string{""}, a.expectedTime(p, info, points)),
		Warnings: append([]string{}, plan.Warnings(points)...),
	}
	if part != nil {
		d.Shard, d.Grid, d.Control = &part.Shard, &part.Grid, &part.Control
		d.Text = append(d.Text, fmt.Sprintf("before the first and after the last point: the control of all shards, %v at %v", part.Control.Settings, part.Control.Load))
	}
	if p.Hold > 0 {
		d.Text = append(d.Text, fmt.Sprintf("then the best setting is held for %v", p.Hold))
	}
	for _, pt := range points {
		out := dryPoint{Settings: pt.Settings, Load: pt.Load, Reason: pt.Reason}
		if p.Suite != nil {
			out.Suite = p.Suite.TrialName(pt.Settings)
		}
		d.Points = append(d.Points, out)
	}
	return d, nil
}

// writeDryRun prints a dry run for people.
func (a *app) writeDryRun(p plan.Plan, d *dryRun) error {
	text, err := p.Canonical()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s# %s\n\n", text, d.PlanHash)
	for i, pt := range d.Points {
		fmt.Fprintf(&b, "%3d  ", i+1)
		if pt.Suite != "" {
			fmt.Fprintf(&b, "%s: ", pt.Suite)
		}
		fmt.Fprintf(&b, "%v, %v", pt.Settings, pt.Load)
		if pt.Reason != "" {
			fmt.Fprintf(&b, "  (%s)", pt.Reason)
		}
		b.WriteByte('\n')
	}
	for _, s := range d.Skipped {
		fmt.Fprintf(&b, "skip %v: %s\n", s.Settings, s.Reason)
	}
	b.WriteByte('\n')
	for _, line := range d.Text {
		b.WriteString(line + "\n")
	}
	for _, w := range d.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	_, err = io.WriteString(a.out, a.secrets.hide(b.String()))
	return err
}

// expectedTime says how long a plan takes: from an earlier profile of the model on this machine,
// or on the assumption that answers take as long as the promise allows.
func (a *app) expectedTime(p plan.Plan, info sweep.Info, points []plan.Point) []string {
	e := p.Estimate(points)
	start := fmt.Sprintf("%d points, expected ", len(points))
	tests, n := "", len(points)
	if p.Budget.LoadTests > 0 && p.Budget.LoadTests < n {
		n = p.Budget.LoadTests
		tests = fmt.Sprintf(" for %d load tests at most", n)
	}
	complete := n > 0 && points[0].Load.Over > 0 // each trial runs its complete load
	switch {
	case complete && e.Fits < n:
		tests += fmt.Sprintf("; each runs its complete load, %v, and %d fit the budget", e.Trial, e.Fits)
	case complete:
		tests += fmt.Sprintf("; each runs its complete load, %v", e.Trial)
	case n == len(points) && e.Fits < n:
		tests = fmt.Sprintf("; a trial gets less than %v so that all fit the budget", e.Trial.Round(time.Second))
	}
	if complete && p.Target != plan.Virtual {
		return []string{start + e.Total.Round(time.Second).String() + tests}
	}
	if p.Target == plan.Virtual {
		return []string{start + "a few seconds" + tests + ": virtual time takes almost no real time"}
	}
	id, found := a.measuredBefore(info)
	cost := search.CostOf(p, found)
	if found.MaxRate() <= 0 {
		out := []string{start + e.Total.Round(time.Second).String() + tests + ", if answers take as long as the promise allows"}
		model := "the model was not measured here yet: a slow one takes longer"
		if p.Budget.Time > 0 {
			model += fmt.Sprintf(", up to the budget of %v", p.Budget.Time)
		}
		return append(out, model, fmt.Sprint(cost))
	}
	total := measuredTotal(p, cost, len(points))
	out := []string{
		start + total.Round(time.Second).String() + tests,
		fmt.Sprintf("by %s: %v", id, cost),
	}
	if short := cost.TooShort(); short != "" {
		out = append(out, short)
	}
	return out
}

// measuredTotal returns how long n points take with a known rate: each as long as a pass, and
// one more for the validation, within the budget.
func measuredTotal(p plan.Plan, c search.Cost, n int) time.Duration {
	const minTime = 3 * time.Second // for a certain verdict, at any rate
	answers := c.Answers
	if p.Trial.Requests > 0 {
		answers = p.Trial.Requests
	}
	if p.Budget.LoadTests > 0 {
		n = min(n, p.Budget.LoadTests)
	}
	total := time.Duration(n+1) * max(c.TimeFor(answers), minTime)
	if p.Trial.Duration > 0 {
		total = time.Duration(n+1) * p.Trial.Duration
	}
	if p.Budget.Time > 0 {
		total = min(total, p.Budget.Time)
	}
	return total
}

// measuredBefore returns the trials and probes of the newest profile of the same model on
// this kind of machine, and its ID; nothing if there is none.
func (a *app) measuredBefore(info sweep.Info) (id string, found trial.History) {
	dir := a.env.profileDir()
	list, err := profiles.List(dir)
	if err != nil {
		return "", found // the dry run works without an estimate
	}
	here := a.machine(info)
	for _, s := range list {
		if s.Model != info.Model.Name || s.Kind != profiles.Sweep || s.Error != "" {
			continue
		}
		prof, err := profiles.Read(s.Path)
		if err != nil || prof.Header.CheckComparable(model(info), here) != nil {
			continue
		}
		found = trial.History{Trials: prof.Trials, Probes: prof.Probes}
		if found.MaxRate() > 0 {
			return s.ID, found
		}
	}
	return "", trial.History{}
}
