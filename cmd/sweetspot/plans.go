package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// job is one plan to run.
type job struct {
	plan  plan.Plan
	old   *resumed   // the sweep that it resumes; nil if none
	shard plan.Shard // the part of its grid; the zero value is all of it
	name  string     // name of the plan and of its folder; "" if there is only one plan
	out   string     // folder for its files; "" is the folder of profiles
	named bool       // its model is from a plan file, not from the command line
}

// result is the result of a sweep, as --json prints it.
type result struct {
	Plan   string        `json:"plan,omitempty"`  // name of the plan, if there are several
	Model  string        `json:"model,omitempty"` // model of the plan, if there are several
	ID     string        `json:"id"`              // of the profile; "" if there is none
	State  string        `json:"state"`           // done, aborted by a signal, or failed; "" if it was not run
	Choice *trial.Choice `json:"choice"`          // nil if no setting is certain to keep the promise
	Trials []trial.Trial `json:"trials"`          // in the order in which they were measured
	Hold   *held         `json:"hold,omitempty"`  // missing without --hold, or if there was nothing to hold
	Files  []file        `json:"files"`           // that it wrote
	Exit   int           `json:"exit"`            // exit code
	Error  string        `json:"error,omitempty"` // why the sweep could not be run

	dry *dryRun // of --dry-run, instead of the other fields
}

// results are the results of several plans in one file, as --json prints them.
type results struct {
	Plans []result `json:"plans"`
	Files []file   `json:"files,omitempty"` // of the report of all plans
	Exit  int      `json:"exit"`            // exit code: that of an error, else cannot tell, else no, else yes
}

// headless runs all plans. It prints progress on stderr and results on stdout.
func (a *app) headless(ctx context.Context, fs *pflag.FlagSet, args []string, f *runFlags) error {
	jobs, err := a.jobs(fs, args, f)
	if err != nil {
		return err
	}
	if err := f.checkCommands(); err != nil {
		return err
	}
	targets := make([]string, len(jobs))
	for i, j := range jobs {
		targets[i] = j.plan.Target
		if err := a.checkLoadUsed(fs, j.plan, f); err != nil {
			return err
		}
	}
	if err := a.checkTargetFlags(targets...); err != nil {
		return err
	}
	if len(jobs) > 1 {
		return a.runJobs(ctx, jobs, f)
	}
	res, err := a.runJob(ctx, jobs[0], f)
	if err == nil {
		more, code := a.finish(ctx, jobs, []result{res}, f)
		res.Files, res.Exit = append(res.Files, more...), worseExit(res.Exit, code)
	}
	switch {
	case res.dry != nil && f.json != "":
		if err := a.printJSON(res.dry); err != nil {
			return err
		}
	case f.json == "object" && res.ID != "":
		if err := a.printJSON(res); err != nil {
			return err
		}
	}
	if err == nil && res.Exit != exitYes {
		err = exit{res.Exit}
	}
	return err
}

// jobs returns the plans of the command line, or with --resume the plan of the resumed sweep.
func (a *app) jobs(fs *pflag.FlagSet, args []string, f *runFlags) ([]job, error) {
	named := f.planFile() && len(args) == 0
	if f.resume != "" {
		p, old, err := a.resume(fs, args, f)
		if err != nil {
			return nil, err
		}
		shard, err := a.shard(f, old)
		return []job{{plan: p, old: old, shard: shard, out: f.out, named: named}}, err
	}
	shard, err := a.shard(f, nil)
	if err != nil {
		return nil, err
	}
	plans, err := f.plans(fs, args)
	if err != nil {
		return nil, err
	}
	if len(plans) == 1 {
		return []job{{plan: plans[0], shard: shard, out: f.out, named: named}}, nil
	}
	var out []job
	for i, name := range folderNames(plans) {
		j := job{plan: plans[i], shard: shard, name: name, named: named}
		if f.out != "" {
			j.out = filepath.Join(f.out, name)
		}
		out = append(out, j)
	}
	return out, nil
}

// folderNames returns a unique and valid file name for each plan. The names differ in more
// than upper and lower case.
func folderNames(plans []plan.Plan) []string {
	valid := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		case r == ' ':
			return '-'
		}
		return '_'
	}
	var names, used []string
	for _, p := range plans {
		base := strings.TrimLeft(strings.Map(valid, p.Name), ".-")
		if base == "" {
			base = "plan"
		}
		name := base
		for n := 2; slices.Contains(used, strings.ToLower(name)); n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		names, used = append(names, name), append(used, strings.ToLower(name))
	}
	return names
}

// runJob runs one plan, or with --dry-run prints what it would do.
func (a *app) runJob(ctx context.Context, j job, f *runFlags) (result, error) {
	for _, note := range j.plan.Notes {
		a.note(f, "%s", note)
	}
	if err := j.checkShard(f); err != nil {
		return result{}, err
	}
	if f.dryRun {
		d, err := a.dryRunOne(ctx, j, f)
		return result{dry: d}, err
	}
	if why := j.plan.Refusal(); why != "" {
		return result{}, withHint("--dry-run lists its points", "the plan cannot be run: %s", why)
	}
	return a.sweepOne(ctx, j, f)
}

// runJobs runs the plans of one file in their order. After an error of one plan the others
// are run too, unless --fail-fast is set. A signal stops all.
func (a *app) runJobs(ctx context.Context, jobs []job, f *runFlags) error {
	var all results
	for i, j := range jobs {
		a.heading(i, len(jobs), j, f)
		res, err := a.runJob(ctx, j, f)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%s: %w", j.name, err)
			a.printError(err)
			res.Exit, res.Error = exitError, err.Error()
			res.Trials, res.Files = []trial.Trial{}, []file{}
		}
		res.Plan, res.Model = j.name, j.plan.Model
		all.Plans, all.Exit = append(all.Plans, res), worseExit(all.Exit, res.Exit)
		if err != nil && (f.failFast || ctx.Err() != nil) {
			break
		}
	}
	if ctx.Err() == nil {
		files, code := a.finish(ctx, jobs, all.Plans, f)
		all.Files, all.Exit = files, worseExit(all.Exit, code)
	}
	if err := a.printResults(all, f); err != nil {
		return err
	}
	if n := len(jobs) - len(all.Plans); n > 0 {
		a.note(f, "%d of %d plans were not run", n, len(jobs))
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case all.Exit != exitYes:
		return exit{all.Exit}
	}
	return nil
}

// printResults prints the results of several plans as JSON, if the flags ask for it.
func (a *app) printResults(all results, f *runFlags) error {
	if f.dryRun && f.json != "" {
		out := dryRuns{Plans: []dryRun{}, Exit: all.Exit}
		for _, r := range all.Plans {
			d := dryRun{Points: []dryPoint{}, Skipped: []trial.Skip{}, Text: []string{}, Warnings: []string{}}
			if r.dry != nil {
				d = *r.dry
			}
			d.Name, d.Model, d.Error = r.Plan, r.Model, r.Error
			out.Plans = append(out.Plans, d)
		}
		return a.printJSON(out)
	}
	if f.json != "object" {
		return nil
	}
	return a.printJSON(all)
}

// heading prints the name of the next plan, also on stdout unless that is JSON.
func (a *app) heading(i, n int, j job, f *runFlags) {
	line := fmt.Sprintf("# plan %d of %d: %s", i+1, n, j.name)
	a.note(f, "%s", line)
	if f.json == "" {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintln(a.out, line)
	}
}

// worseExit returns the exit code of two plans together, by priority: an error, cannot tell, no,
// yes.
func worseExit(a, b int) int {
	order := []int{exitYes, exitNo, exitCannotTell, exitError}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}
