package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
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
	info, err := a.look(ctx, p)
	switch {
	case err == nil:
		if err := a.checkResumed(j.old, info, f); err != nil {
			return err
		}
		a.introduce(j.plan, info, f)
	case ctx.Err() != nil || !j.named:
		return err
	default:
		info = assumed(p)
		a.note(f, "without  model %s: %s", p.Model, cause(err, p.Model))
		a.note(f, "assumed  that its items batch, and the %d cores of this machine; what the model or its server cannot turn is not left out", info.Cores)
		a.note(f, "promise  %v, at %v", p.SLA, asked(p))
	}
	return a.dryRun(j.plan, info)
}

// look asks what a plan drives what it is.
func (a *app) look(ctx context.Context, p plan.Plan) (sweep.Info, error) {
	t, err := a.openTarget(ctx, p)
	if err != nil {
		return sweep.Info{}, err
	}
	defer t.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the child is gone either way
	return t.Info(ctx)
}

// assumed is what a plan is listed against where its model cannot be asked: this
// machine's cores, the plan's start settings, and a model that batches.
func assumed(p plan.Plan) sweep.Info {
	cores := profiles.ReadMachine(os.DirFS("/"), runtime.NumCPU()).Cores
	return sweep.Info{
		Options: p.Options, Current: startConfig(p).Settings, Cores: cores,
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
// the expected time.
func (a *app) dryRun(p plan.Plan, info sweep.Info) error {
	text, err := p.Canonical()
	if err != nil {
		return err
	}
	points, skipped := p.Points(info.Limits, info.Current, info.Fixed)
	strategy, err := search.New(p, points)
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
	_, err = fmt.Fprintf(a.out, "\n%d points, expected %s\n", len(points), expected(p, points))
	return err
}

// expected says how long points take, and what does not fit.
func expected(p plan.Plan, points []plan.Point) string {
	e := p.Estimate(points)
	text := e.Total.Round(time.Second).String()
	whole := len(points) > 0 && points[0].Load.Over > 0
	tests := len(points)
	if p.Budget.LoadTests > 0 && p.Budget.LoadTests < tests {
		tests = p.Budget.LoadTests
		text += fmt.Sprintf(" for %d load tests at most", tests)
	}
	switch {
	case whole && e.Fits < tests:
		text += fmt.Sprintf("; each takes its load whole, %v, and the budget holds %d", e.Trial, e.Fits)
	case whole:
		text += fmt.Sprintf("; each takes its load whole, %v", e.Trial)
	case e.Fits < tests:
		text += fmt.Sprintf("; a trial gets less than %v so that all fit the budget", e.Trial.Round(time.Second))
	}
	return text
}
