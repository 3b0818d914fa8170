package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

// completeSweep completes the values of --sweep, which may also be a file, and of --question, --shard and --hold.
func completeSweep(c *cobra.Command) {
	holds := []string{"10m", "1h", "8h", "24h"}
	sweeps := append([]string{"auto"}, plan.TestPlans()...)
	for flag, complete := range map[string]cobra.CompletionFunc{
		"sweep":    cobra.FixedCompletions(sweeps, cobra.ShellCompDirectiveDefault),
		"shard":    cobra.FixedCompletions([]string{"auto", "auto/4", "1/4"}, cobra.ShellCompDirectiveNoFileComp),
		"hold":     cobra.FixedCompletions(holds, cobra.ShellCompDirectiveNoFileComp),
		"question": cobra.FixedCompletions([]string{plan.Throughput.String(), plan.Capacity.String(), plan.Replicas.String()}, cobra.ShellCompDirectiveNoFileComp),
	} {
		_ = c.RegisterFlagCompletionFunc(flag, complete) // the flags exist
	}
}

// planFile reports whether there is a plan file.
func (f *runFlags) planFile() bool { return f.planPath() != "" }

// planPath returns the file of --plan or --sweep, or "".
func (f *runFlags) planPath() string {
	if f.plan == "" && f.sweep != "auto" {
		return f.sweep
	}
	return f.plan
}

// plans returns the plans of the command line: one plan, or those of a suite file.
func (f *runFlags) plans(fs *pflag.FlagSet, args []string) ([]plan.Plan, error) {
	if err := f.checkArgs(args); err != nil {
		return nil, err
	}
	if f.plan != "" && f.sweep != "" && f.sweep != "auto" {
		return nil, withHint("leave out one of them", "--sweep=%s and --plan %s are two plans", f.sweep, f.plan)
	}
	plans := []plan.Plan{plan.Default()}
	if f.planFile() {
		var err error
		if plans, err = plan.Load(f.planPath(), os.ReadFile); err != nil {
			return nil, err
		}
	}
	for i := range plans {
		p, err := f.overlay(fs, plans[i], args)
		if err != nil {
			return nil, err
		}
		plans[i] = p
	}
	return plans, nil
}

// unusedLoad describes the load that somebody gave and that has no effect, or returns "": question capacity searches the rate,
// and takes nothing of a load but its arrivals. On the screen it is the live load.
func unusedLoad(p plan.Plan) string {
	if p.Question != plan.Capacity || !p.LoadGiven || len(p.Loads) == 1 && p.Loads[0].Mode == load.Open && p.Loads[0].Rate == 0 {
		return ""
	}
	var given []string
	for _, l := range p.Loads {
		given = append(given, l.String())
	}
	return fmt.Sprintf("question capacity searches the highest rate itself: %s has no effect", strings.Join(given, ", "))
}

// checkLoadUsed returns an error if a load of the command line has no effect. One of a plan file only gets a note: people change
// the question of a plan, and with --question that of somebody else's.
func (a *app) checkLoadUsed(fs *pflag.FlagSet, p plan.Plan, f *runFlags) error {
	unused := unusedLoad(p)
	switch {
	case unused == "":
		return nil
	case fs.Changed("concurrency") || fs.Changed("rate") || fs.Changed("trace"):
		return withHint("leave out the load; arrivals alone are --arrivals constant, in a plan load: {mode: open, arrivals: constant}", "%s", unused)
	}
	a.note(f, "note     %s", unused)
	return nil
}

// liveLoad returns the plan with a load that can be sent: question capacity needs none, and the screen sends one.
func liveLoad(p plan.Plan) (plan.Plan, error) {
	if l := p.Loads[0]; l.Mode != load.Open || l.Rate > 0 {
		return p, nil
	} else if l.Arrivals != load.Poisson {
		return p, withHint("add --rate 50, or --sweep", "the load has %v arrivals and no rate, and the screen sends a live load", l.Arrivals)
	}
	p.Loads = plan.Default().Loads
	return p, nil
}

// screenPlan returns the plan of the screen and its start settings: those of the flags, and without a
// flag the knobs for which a plan file has one value.
func (f *runFlags) screenPlan(fs *pflag.FlagSet, args []string) (plan.Plan, knob.Config, error) {
	plans, err := f.plans(fs, args)
	if err != nil {
		return plan.Plan{}, knob.Config{}, err
	}
	if len(plans) > 1 {
		return plan.Plan{}, knob.Config{}, fmt.Errorf("%s has %d plans, but the screen shows one", f.planPath(), len(plans))
	}
	if plans[0], err = liveLoad(plans[0]); err != nil {
		return plan.Plan{}, knob.Config{}, err
	}
	start, err := f.config(fs)
	if err != nil || !f.planFile() {
		return plans[0], start, err
	}
	given := start.Settings
	start = startConfig(plans[0])
	for _, n := range f.given(fs) {
		if err := start.Set(n, given.Get(n)); err != nil {
			return plans[0], start, err
		}
	}
	return plans[0], start, nil
}
