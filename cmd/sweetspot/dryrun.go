package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// dryRunOne says what would be tried. What a plan's file names and is not here,
// such as the archive and the input of a benchmark suite that was written for
// another machine, is said and does without: which points there are hardly
// depends on it. What the command line names has to be there.
func (a *app) dryRunOne(ctx context.Context, j job, f *runFlags) error {
	p := j.plan
	if _, err := readBodies(p.Input); err != nil {
		if f.input != "" {
			return err
		}
		a.note(f, "without  input %s: %s; the points do not depend on it", p.Input, cause(err, p.Input))
		p.Input = "" // to open the model all the same
	}
	info, err := a.look(ctx, &p, f)
	switch {
	case err == nil:
		j.plan.SLA = p.SLA
		if j.plan, err = sweep.Fit(j.plan, info); err != nil {
			return err
		}
		if err := a.checkResumed(j.old, info, f); err != nil {
			return err
		}
		a.introduce(j.plan, info, f)
	case ctx.Err() != nil || !j.named:
		return err
	default:
		info = a.assumed(p)
		a.note(f, "without  model %s: %s", p.Model, cause(err, p.Model))
		a.note(f, "assumed  that its items batch, and the %d cores of this machine; what the model or its server cannot turn is not left out", info.Cores)
		a.note(f, "promise  %v, at %v", p.SLA, asked(p))
	}
	return a.dryRun(j.plan, info)
}

// look asks what a plan drives what it is and, for the demonstration, what its
// promise is here.
func (a *app) look(ctx context.Context, p *plan.Plan, f *runFlags) (sweep.Info, error) {
	t, err := a.openTarget(ctx, *p, startConfig(*p))
	if err != nil {
		return sweep.Info{}, err
	}
	defer t.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the child is gone either way
	info, err := t.Info(ctx)
	if err == nil && f.demo {
		p.SLA, f.promised = demoPromise(ctx, t, *p)
		err = ctx.Err()
	}
	return info, err
}

// assumed is what a plan is listed against where its model cannot be asked: this
// machine's cores, the plan's start settings, and a model that batches.
func (a *app) assumed(p plan.Plan) sweep.Info {
	cores := a.limits().Cores
	return sweep.Info{
		Options: p.Options, Current: startConfig(p).Settings, Tells: trial.TellsAll(), Cores: cores,
		Limits: knob.Limits{Rule: p.Options.Rule, Cores: cores, BatchAxis: true},
	}
}

// cause is the first line of an error about what has just been named. The flag in
// it stands for a key of the plan.
func cause(err error, name string) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	for _, known := range []string{"--input: ", "stat ", name + ": "} {
		first = strings.TrimPrefix(first, known)
	}
	return first
}

// dryRun prints the canonical plan, its points in order, what is skipped, and
// what is known of the time it takes.
func (a *app) dryRun(p plan.Plan, info sweep.Info) error {
	text, err := p.Canonical()
	if err != nil {
		return err
	}
	points, skipped := p.Points(info.Limits, info.Current, info.Fixed)
	strategy, err := search.New(p, points, info.Tells)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s# %s\n\n", text, p.Hash())
	for i, pt := range points {
		fmt.Fprintf(a.out, "%3d  %v, %v", i+1, pt.Settings, pt.Load)
		if pt.Reason != "" {
			fmt.Fprintf(a.out, "  (%s)", pt.Reason)
		}
		fmt.Fprintln(a.out)
	}
	for _, s := range skipped {
		fmt.Fprintf(a.out, "skip %v: %s\n", s.Settings, s.Reason)
	}
	fmt.Fprintln(a.out)
	for _, line := range strategy.Outline() {
		fmt.Fprintln(a.out, line)
	}
	fmt.Fprintln(a.out)
	for _, line := range a.expected(p, info, points) {
		fmt.Fprintln(a.out, line)
	}
	for _, w := range plan.Warnings(points) {
		fmt.Fprintln(a.out, "warning: "+w)
	}
	return nil
}

// expected says how long a plan takes, as far as that is known: by an earlier
// profile of the model on this machine, or what it would be if answers took what
// the promise allows.
func (a *app) expected(p plan.Plan, info sweep.Info, points []plan.Point) []string {
	e := p.Estimate(points)
	head := fmt.Sprintf("%d points, expected ", len(points))
	tests, n := "", len(points)
	if p.Budget.LoadTests > 0 && p.Budget.LoadTests < n {
		n = p.Budget.LoadTests
		tests = fmt.Sprintf(" for %d load tests at most", n)
	}
	whole := n > 0 && points[0].Load.Over > 0
	switch {
	case whole && e.Fits < n:
		tests += fmt.Sprintf("; each takes its load whole, %v, and the budget holds %d", e.Trial, e.Fits)
	case whole:
		tests += fmt.Sprintf("; each takes its load whole, %v", e.Trial)
	case n == len(points) && e.Fits < n:
		tests = fmt.Sprintf("; a trial gets less than %v so that all fit the budget", e.Trial.Round(time.Second))
	}
	if whole && p.Target != "virtual" {
		return []string{head + e.Total.Round(time.Second).String() + tests}
	}
	if p.Target == "virtual" {
		return []string{head + "a few seconds" + tests + ": virtual time costs next to none"}
	}
	id, found := a.measuredBefore(info)
	cost := search.CostOf(p, found)
	if found.Rate() <= 0 {
		out := []string{head + e.Total.Round(time.Second).String() + tests + ", if answers take what the promise allows"}
		model := "the model was not measured here yet: a slow one takes longer"
		if p.Budget.Time > 0 {
			model += fmt.Sprintf(", up to the budget of %v", p.Budget.Time)
		}
		return append(out, model, fmt.Sprint(cost))
	}
	total := measuredTotal(p, cost, len(points))
	out := []string{
		head + total.Round(time.Second).String() + tests,
		fmt.Sprintf("by %s: %v", id, cost),
	}
	if short := cost.TooShort(); short != "" {
		out = append(out, short)
	}
	return out
}

// measuredTotal is how long n points take at a known pace: each as long as a pass
// does, and one more for the validation, within the budget.
func measuredTotal(p plan.Plan, c search.Cost, n int) time.Duration {
	const least = 3 * time.Second // what certainty takes at any pace
	answers := c.Answers
	if p.Trial.Requests > 0 {
		answers = p.Trial.Requests
	}
	if p.Budget.LoadTests > 0 {
		n = min(n, p.Budget.LoadTests)
	}
	total := time.Duration(n+1) * max(c.TimeFor(answers), least)
	if p.Trial.Duration > 0 {
		total = time.Duration(n+1) * p.Trial.Duration
	}
	if p.Budget.Time > 0 {
		total = min(total, p.Budget.Time)
	}
	return total
}

// measuredBefore is what the newest profile of the same model on this kind of
// machine found, and its ID; nothing where there is none.
func (a *app) measuredBefore(info sweep.Info) (id string, found trial.History) {
	dir := a.env.profileDir()
	list, err := profiles.List(dir)
	if err != nil {
		return "", found // an estimate is no reason to fail
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
		if found.Rate() > 0 {
			return s.ID, found
		}
	}
	return "", trial.History{}
}
