package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
)

// settingsFlags are the start settings, by the names of package knob.
type settingsFlags struct {
	values map[knob.Name]*string
	rule   string
}

func (f *settingsFlags) bind(fs *pflag.FlagSet, defaultRule knob.Rule) {
	f.values = map[knob.Name]*string{}
	d := knob.Default(defaultRule)
	for _, k := range knob.All() {
		help := fmt.Sprintf("%s (%s)", k.Help, k.Cost)
		f.values[k.Name] = fs.String(k.Flag, d.Get(k.Name), help)
	}
	fs.StringVar(&f.rule, "rule", defaultRule.String(), "batching rule: torchserve or eager")
}

// config reads the flags; knobs that were not given take the rule's default.
func (f *settingsFlags) config(fs *pflag.FlagSet) (knob.Config, error) {
	var c knob.Config
	if err := c.Rule.UnmarshalText([]byte(f.rule)); err != nil {
		return c, fmt.Errorf("--rule: %w", err)
	}
	c.Settings = knob.Default(c.Rule)
	var errs []error
	for _, k := range knob.All() {
		if !fs.Changed(k.Flag) {
			continue
		}
		if err := c.Settings.Set(k.Name, *f.values[k.Name]); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", k.Flag, err))
		}
	}
	return c, errors.Join(errs...)
}

// given lists the knobs named on the command line.
func (f *settingsFlags) given(fs *pflag.FlagSet) []knob.Name {
	var out []knob.Name
	for _, k := range knob.All() {
		if fs.Changed(k.Flag) {
			out = append(out, k.Name)
		}
	}
	return out
}

// runFlags are the flags of the workbench and of --sweep.
type runFlags struct {
	settingsFlags
	sweep string

	sla         time.Duration
	percentile  float64
	latency     string
	maxErrors   float64
	concurrency string
	rate        float64
	arrivals    string
	trace       string
	timeout     time.Duration
	input       string
	target      string
	knobs       []string
	lengthFlags
	strategy   string
	question   string
	objective  string
	budget     time.Duration
	loadTests  int
	requests   int
	acceptFP16 bool
	promised   string // where a promise comes from that nobody gave
	demo       bool   // the promise is to come from a probe of this machine
	seed       uint64
	dryRun     bool
	resume     string
	out        string
	json       string
	quiet      bool
	force      bool
	failFast   bool
	follow     string
	fps        int
	ascii      bool
	noColor    bool
	calm       bool
	mouse      bool
}

func (f *runFlags) bind(fs *pflag.FlagSet, targets []targetKind) {
	fs.SortFlags = false
	fs.StringVar(&f.sweep, "sweep", "", "search without a screen: --sweep, --sweep=auto or --sweep=plan.yaml")
	fs.Lookup("sweep").NoOptDefVal = "auto"
	fs.DurationVar(&f.sla, "sla", 100*time.Millisecond, "the promise: the percentile stays at or below this")
	fs.Float64Var(&f.percentile, "percentile", 99, "the percentile the promise is about")
	fs.StringVar(&f.latency, "latency", "request", "what the promise binds: request or model latency")
	fs.Float64Var(&f.maxErrors, "max-errors", 0, "highest share of failed and refused requests, 0-1")
	fs.StringVar(&f.concurrency, "concurrency", "10", "closed load: clients that wait for their answers, or matched (workers x batch size)")
	fs.Float64Var(&f.rate, "rate", 0, "open load: requests per second, whatever the server does")
	fs.StringVar(&f.arrivals, "arrivals", "poisson", "open load: poisson or constant")
	fs.StringVar(&f.trace, "trace", "", "load replayed from a CSV file of send times")
	fs.DurationVar(&f.timeout, "timeout", 0, "how long a request is waited for before it counts as failed (default: ten times --sla, at least 10s)")
	fs.StringVar(&f.input, "input", "", "file or folder of request bodies (default: made from the model's inputs)")
	f.lengthFlags.bind(fs)
	fs.StringVar(&f.target, "target", "local", targetHelp(targets))
	f.settingsFlags.bind(fs, knob.TorchServe)
	fs.StringArrayVar(&f.knobs, "knob", nil, "range of any knob, the target's own too: --knob max_batch_size=1,8,32, 1-32*2 or auto")
	fs.StringVar(&f.strategy, "strategy", "", "what decides the next settings: "+strings.Join(search.Available(), ", "))
	fs.StringVar(&f.question, "question", "throughput", "throughput (most at this load) or capacity (highest load)")
	fs.StringVar(&f.objective, "objective", "throughput", "throughput, requests_per_joule or fewest_workers")
	fs.DurationVar(&f.budget, "budget", 3*time.Minute, "longest time of a sweep; 0 for none")
	fs.IntVar(&f.loadTests, "load-tests", plan.Unset, "most settings taken to their verdict (default: the strategy's)")
	fs.Lookup("load-tests").DefValue = ""
	fs.IntVar(&f.requests, "requests", 0, "exactly so many requests per trial, whatever they show; 0 until the verdict is certain")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of everything left to chance")
	fs.BoolVar(&f.acceptFP16, "accept-fp16", false, "let FP16 be chosen although its outputs disagree with those of FP32")
	fs.BoolVar(&f.dryRun, "dry-run", false, "print what would be tried and how long it takes, then stop")
	fs.StringVar(&f.resume, "resume", "", "go on with an interrupted sweep: --resume (the last) or --resume=PROFILE")
	fs.Lookup("resume").NoOptDefVal = profiles.Last
	fs.BoolVar(&f.failFast, "fail-fast", false, "of several plans in one file: end with the first that breaks")
	fs.StringVar(&f.out, "out", "", "folder for profile.jsonl and config.properties; of several plans a folder in it for each")
	fs.StringVar(&f.json, "json", "", "result as JSON on stdout: --json, or --json=lines for the profile's lines as they come")
	fs.Lookup("json").NoOptDefVal = "object"
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on stderr")
	fs.BoolVar(&f.force, "force", false, "overwrite files in --out that differ")
	fs.StringVar(&f.follow, "follow", "", "screen: watch a profile that another sweetspot is writing, read-only")
	fs.IntVar(&f.fps, "fps", 0, "screen: most frames per second")
	fs.BoolVar(&f.ascii, "ascii", false, "screen: plain characters only")
	fs.BoolVar(&f.noColor, "no-color", false, "screen: no colour (as NO_COLOR)")
	fs.BoolVar(&f.calm, "reduce-motion", false, "screen: no spinners, slower updates")
	fs.BoolVar(&f.mouse, "mouse", false, "screen: mouse on")
}

// checkArgs catches what people type instead of --sweep=plan.yaml.
func (f *runFlags) checkArgs(args []string) error {
	if f.sweep == "" || len(args) == 0 {
		return nil
	}
	if ext := strings.ToLower(filepath.Ext(args[0])); ext == ".yaml" || ext == ".yml" {
		return withHint("write: sweetspot --sweep="+args[0],
			"%s is no model: a plan follows --sweep with an equals sign, not a blank", args[0])
	}
	return nil
}

// planFile tells whether --sweep names a file.
func (f *runFlags) planFile() bool { return f.sweep != "" && f.sweep != "auto" }

// plans returns what the flags ask for: one plan, or those of a suite file.
func (f *runFlags) plans(fs *pflag.FlagSet, args []string) ([]plan.Plan, error) {
	if err := f.checkArgs(args); err != nil {
		return nil, err
	}
	plans := []plan.Plan{plan.Default()}
	if f.planFile() {
		var err error
		if plans, err = plan.Load(f.sweep, os.ReadFile); err != nil {
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

// overlay puts the flags that were given over a plan: flag before file before
// default.
func (f *runFlags) overlay(fs *pflag.FlagSet, p plan.Plan, args []string) (plan.Plan, error) {
	if len(args) > 0 {
		p.Model = args[0]
	}
	file := f.planFile()
	target := p.Target
	if fs.Changed("target") {
		target = f.target
	}
	switch {
	case p.Model == "" && servesItsOwn(target): // it says which it has
	case p.Model == "" && file:
		return p, withHint("write: sweetspot MODEL --sweep="+f.sweep, "%s names no model", f.sweep)
	case p.Model == "":
		p.Model = demoModel
	}
	if !file && f.resume == "" {
		p = f.simulated(fs, p)
		if f.demo = p.Model == demoModel && !fs.Changed("sla"); f.demo {
			p.SLA.Limit = demoSLA
		}
	}
	err := errors.Join(f.promise(fs, &p), f.load(fs, &p), f.space(fs, &p), f.effort(fs, &p))
	if err != nil {
		return p, err
	}
	return settled(p)
}

// simulated completes the default plan for a device on paper: its table's devices
// and precisions are searched, and it comes with the promise and load of its study.
func (f *runFlags) simulated(fs *pflag.FlagSet, p plan.Plan) plan.Plan {
	if !catalog.IsSimulated(p.Model) {
		return p
	}
	p.Knobs = cloneMap(p.Knobs)
	p.Knobs[knob.Device], p.Knobs[knob.FP16] = knob.Auto, knob.Auto
	if study, ok := catalog.StudyOf(p.Model); ok && !fs.Changed("sla") {
		p.SLA.Limit, p.Loads = study.Limit, []load.Spec{{Mode: load.Closed, Concurrency: study.Clients}}
		f.promised = "the study's own; --sla sets yours"
	}
	return p
}

func (f *runFlags) promise(fs *pflag.FlagSet, p *plan.Plan) error {
	if fs.Changed("sla") {
		p.SLA.Limit = f.sla
	}
	if fs.Changed("percentile") {
		p.SLA.Percentile = f.percentile
	}
	if fs.Changed("max-errors") {
		p.SLA.MaxErrorRate = f.maxErrors
	}
	if fs.Changed("timeout") {
		p.Timeout = f.timeout
		if f.timeout != 0 && f.timeout <= p.SLA.Limit {
			return withHint(fmt.Sprintf("leave --timeout out (%v here), or give more than --sla", p.SLA.RequestTimeout()),
				"--timeout: %v is not above the promised %v: no request could be seen to be late", f.timeout, p.SLA.Limit)
		}
	}
	if fs.Changed("latency") {
		if err := p.SLA.Latency.UnmarshalText([]byte(f.latency)); err != nil {
			return fmt.Errorf("--latency: %w", err)
		}
	}
	return nil
}

func (f *runFlags) load(fs *pflag.FlagSet, p *plan.Plan) error {
	kinds := 0
	for _, name := range []string{"concurrency", "rate", "trace"} {
		if fs.Changed(name) {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("--concurrency, --rate and --trace are three kinds of load: give one")
	case fs.Changed("arrivals") && !fs.Changed("rate"):
		return errors.New("--arrivals is for an open load: give --rate too")
	case fs.Changed("rate"):
		l := load.Spec{Mode: load.Open, Rate: f.rate}
		if err := l.Arrivals.UnmarshalText([]byte(f.arrivals)); err != nil {
			return fmt.Errorf("--arrivals: %w", err)
		}
		p.Loads = []load.Spec{l}
	case fs.Changed("trace"):
		p.Loads = []load.Spec{{Mode: load.Trace, File: f.trace}}
	case fs.Changed("concurrency"):
		l := load.Spec{Mode: load.Closed}
		if f.concurrency == "matched" {
			l.Matched = true
		} else if n, err := strconv.Atoi(f.concurrency); err == nil {
			l.Concurrency = n
		} else {
			return fmt.Errorf("--concurrency: %q is no whole number and not matched", f.concurrency)
		}
		p.Loads = []load.Spec{l}
	}
	return nil
}

// space puts the given knobs into the plan: with --sweep a knob with a value on
// the command line is not searched, and a range is. In the workbench it is only
// where the person starts.
func (f *runFlags) space(fs *pflag.FlagSet, p *plan.Plan) error {
	if fs.Changed("rule") {
		if err := p.Options.Rule.UnmarshalText([]byte(f.rule)); err != nil {
			return fmt.Errorf("--rule: %w", err)
		}
	}
	p.Knobs = cloneMap(p.Knobs)
	if f.sweep != "" {
		for _, n := range f.given(fs) {
			p.Knobs[n] = *f.values[n]
		}
	}
	if err := f.ranges(p); err != nil {
		return err
	}
	if f.input != "" {
		p.Input = f.input
	}
	if fs.Changed("target") {
		p.Target = f.target
	}
	return f.lengthFlags.overlay(p)
}

// ranges puts those of --knob into the plan. Names beside the seven are the target's
// to know.
func (f *runFlags) ranges(p *plan.Plan) error {
	for _, text := range f.knobs {
		name, list, ok := strings.Cut(strings.ReplaceAll(text, " ", ""), "=")
		if !ok || name == "" || list == "" {
			return withHint("write: --knob max_batch_size=1,8,32", "--knob: %q is not NAME=VALUES", text)
		}
		n := knob.Name(name)
		if k, err := knob.Lookup(name); err == nil {
			n = k.Name
		}
		p.Knobs[n] = list
	}
	return nil
}

func (f *runFlags) effort(fs *pflag.FlagSet, p *plan.Plan) error {
	if fs.Changed("strategy") {
		p.Strategy = f.strategy
	}
	if fs.Changed("budget") {
		p.Budget.Time = f.budget
	}
	if fs.Changed("load-tests") {
		p.Budget.LoadTests = f.loadTests
	}
	if fs.Changed("requests") {
		p.Trial.Requests, p.Trial.MaxRequests = f.requests, max(p.Trial.MaxRequests, f.requests)
	}
	if fs.Changed("accept-fp16") {
		p.AcceptFP16 = f.acceptFP16
	}
	if fs.Changed("seed") {
		p.Seed = f.seed
	}
	if fs.Changed("question") {
		if err := p.Question.UnmarshalText([]byte(f.question)); err != nil {
			return fmt.Errorf("--question: %w", err)
		}
	}
	if fs.Changed("objective") {
		if err := p.Objective.UnmarshalText([]byte(f.objective)); err != nil {
			return fmt.Errorf("--objective: %w", err)
		}
	}
	if !slices.Contains([]string{"", "object", "lines"}, f.json) {
		return fmt.Errorf("--json: %q: want --json or --json=lines", f.json)
	}
	return nil
}

// cloneMap copies m; unlike maps.Clone it never returns nil.
func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	out := make(map[K]V, len(m)+1)
	maps.Copy(out, m)
	return out
}
