package main

import (
	"fmt"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// dryRun prints the canonical plan, its points in order, what is skipped, and
// what is known of the time it takes.
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
	fmt.Fprintln(a.out)
	for _, line := range a.expected(p, info, points) {
		fmt.Fprintln(a.out, line)
	}
	return nil
}

// expected says how long a plan takes, as far as that is known: by an earlier
// profile of the model on this machine, or what it would be if answers took what
// the promise allows.
func (a *app) expected(p plan.Plan, info sweep.Info, points []plan.Point) []string {
	e := p.Estimate(points)
	head := fmt.Sprintf("%d points, expected ", len(points))
	tests := ""
	switch {
	case p.Budget.LoadTests > 0 && p.Budget.LoadTests < len(points):
		tests = fmt.Sprintf(" for %d load tests at most", p.Budget.LoadTests)
	case e.Fits < len(points):
		tests = fmt.Sprintf("; a trial gets less than %v so that all fit the budget", e.Trial.Round(time.Second))
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
	if short := cost.Short(); short != "" {
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
	total := time.Duration(n+1) * max(c.Time(answers), least)
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
	class := machine(info).Complete().Class
	for _, s := range list {
		if s.Model != info.Model.Name || s.Kind != profiles.Sweep || s.Error != "" {
			continue
		}
		prof, err := profiles.Read(s.Path)
		if err != nil || prof.Header.Model.SHA256 != info.Model.SHA256 || prof.Header.Machine.Class != class {
			continue
		}
		found = trial.History{Trials: prof.Trials, Probes: prof.Probes}
		if found.Rate() > 0 {
			return s.ID, found
		}
	}
	return "", trial.History{}
}
