package main

import (
	"errors"
	"fmt"
	"maps"
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
	"sweetspot/tui/chart"
)

// settingsFlags are the flags of the start settings, one per knob.
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

// config parses the flags. Knobs without a flag have the default of the batching rule.
func (f *settingsFlags) config(fs *pflag.FlagSet) (knob.Config, error) {
	var c knob.Config
	rule, err := knob.ParseRule(f.rule)
	if err != nil {
		return c, fmt.Errorf("--rule: %w", err)
	}
	c.Rule = rule
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

// given returns the knobs on the command line.
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
	bodyFlags
	sweep string
	plan  string // a plan file; --sweep=FILE is another way to name it

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
	modelFlags
	strategy   string
	question   string
	cost       float64
	objective  string
	hold       time.Duration
	budget     time.Duration
	loadTests  int
	requests   int
	acceptFP16 bool
	slaOrigin  string // origin of a promise that is not from a flag or a file
	demo       bool   // take the promise from a probe of this machine
	seed       uint64
	dryRun     bool
	resume     string
	shard      string
	out        string
	json       string
	quiet      bool
	force      bool
	failFast   bool

	runCommands bool
	follow      string
	fps         int
	ascii       bool
	blocks      bool
	noColor     bool
	calm        bool // reduce motion
	mouse       bool
}

func (f *runFlags) bind(fs *pflag.FlagSet, targets []targetKind) {
	fs.SortFlags = false
	fs.StringVar(&f.sweep, "sweep", "", "search without a screen: --sweep, --sweep=auto or --sweep=plan.yaml; also a file of TorchServe's benchmark suite, or a test plan of it: "+strings.Join(plan.TestPlans(), ", "))
	fs.Lookup("sweep").NoOptDefVal = "auto"
	fs.StringVar(&f.plan, "plan", "", "plan file, for the screen and for --sweep")
	fs.DurationVar(&f.sla, "sla", 100*time.Millisecond, "limit of the promise: the percentile is at most this")
	fs.Float64Var(&f.percentile, "percentile", 99, "percentile of the promise")
	fs.StringVar(&f.latency, "latency", "request", "latency of the promise: request or model")
	fs.Float64Var(&f.maxErrors, "max-errors", 0, "highest share of failed and refused requests, 0-1")
	fs.StringVar(&f.concurrency, "concurrency", "10", "closed load: number of clients, each of which waits for its answer, or matched (workers x batch size)")
	fs.Float64Var(&f.rate, "rate", 0, "open load: requests per second, independent of the answers")
	fs.StringVar(&f.arrivals, "arrivals", "poisson", "open load, and question capacity: poisson or constant")
	fs.StringVar(&f.trace, "trace", "", "load with the send times of a CSV file")
	fs.DurationVar(&f.timeout, "timeout", 0, "time after which a request fails (default: ten times --sla, at least 10s)")
	fs.StringVar(&f.input, "input", "", "file or folder of request bodies (default: random values for the inputs of the model)")
	f.bindContentType(fs)
	f.modelFlags.bind(fs)
	f.bodyFlags.bind(fs)
	f.target = localTarget
	fs.Var(&targetFlag{value: &f.target}, "target", targetHelp(targets))
	f.settingsFlags.bind(fs, knob.TorchServe)
	fs.StringArrayVar(&f.knobs, "knob", nil, "range of a knob, also of an own knob of the target: --knob max_batch_size=1,8,32, 1-32*2 or auto")
	fs.StringVar(&f.strategy, "strategy", "", "strategy that chooses the next settings: "+strings.Join(search.Available(), ", "))
	fs.StringVar(&f.question, "question", "throughput", "throughput (highest throughput at this load), capacity (highest load) or replicas (fewest that carry --rate)")
	fs.Float64Var(&f.cost, "cost", 0, "question replicas: price of one replica for an hour, in any currency")
	fs.StringVar(&f.objective, "objective", "throughput", "throughput, requests_per_joule or fewest_workers")
	fs.DurationVar(&f.budget, "budget", 3*time.Minute, "time limit of a sweep; 0 for none")
	fs.DurationVar(&f.hold, "hold", 0, "after a sweep: keep the chosen settings under load for so long, 1m-168h, and tell whether the promise is kept all the time and what drifts")
	fs.IntVar(&f.loadTests, "load-tests", plan.Unset, "largest number of settings measured until their verdict (default: that of the strategy)")
	fs.Lookup("load-tests").DefValue = "0" // the help shows no default of 0, and the text has the real one
	fs.IntVar(&f.requests, "requests", 0, "exact number of requests per trial; 0: until the verdict is certain")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of all random numbers")
	fs.BoolVar(&f.acceptFP16, "accept-fp16", false, "let FP16 be chosen although its outputs disagree with those of FP32")
	fs.BoolVar(&f.dryRun, "dry-run", false, "print what would be tried and how long it takes, then exit")
	fs.StringVar(&f.resume, "resume", "", "resume an interrupted sweep: --resume (the last) or --resume=PROFILE")
	fs.Lookup("resume").NoOptDefVal = profiles.Last
	fs.StringVar(&f.shard, "shard", "", shardHelp)
	fs.BoolVar(&f.failFast, "fail-fast", false, "with several plans in one file: stop at the first one with an error")
	fs.BoolVar(&f.runCommands, "run-commands", false, "run metrics_cmd and report_cmd of a file of TorchServe's benchmark suite")
	fs.StringVar(&f.out, "out", "", "folder for profile.jsonl, config.properties, report.html and report.md; with several plans, each has a folder in it")
	fs.StringVar(&f.json, "json", "", "result as JSON on stdout: --json, or --json=lines for the lines of the profile as they are written")
	fs.Lookup("json").NoOptDefVal = "object"
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on stderr")
	fs.BoolVar(&f.force, "force", false, "overwrite files in --out that differ")
	fs.StringVar(&f.follow, "follow", "", "screen: show a profile that another sweetspot is writing, read-only; last: the running sweep, or else the newest profile")
	fs.IntVar(&f.fps, "fps", 0, "screen: largest number of frames per second")
	fs.BoolVar(&f.ascii, "ascii", false, "screen: plain characters only")
	fs.BoolVar(&f.blocks, "blocks", false, "screen: draw charts with blocks, for fonts without Braille characters")
	fs.BoolVar(&f.noColor, "no-color", false, "screen: no colour (like NO_COLOR)")
	fs.BoolVar(&f.calm, "reduce-motion", false, "screen: no spinners, slower updates")
	fs.BoolVar(&f.mouse, "mouse", false, "screen: enable the mouse")
}

// symbols are those of the charts of the screen. The font of the Linux console has no Braille
// characters.
func (f *runFlags) symbols(env environment) chart.Symbols {
	switch {
	case f.ascii:
		return chart.ASCII
	case f.blocks || env.get("TERM") == "linux":
		return chart.Blocks
	}
	return chart.Braille
}

// checkArgs detects --sweep plan.yaml, with a blank instead of an equals sign.
func (f *runFlags) checkArgs(args []string) error {
	if f.sweep == "" || len(args) == 0 {
		return nil
	}
	if ext := strings.ToLower(filepath.Ext(args[0])); ext == ".yaml" || ext == ".yml" {
		return withHint("write: sweetspot --sweep="+args[0],
			"%s is not a model: between --sweep and a plan there must be an equals sign, not a blank", args[0])
	}
	return nil
}

// overlay sets the values of the given flags in a plan. A flag has priority over the file,
// and the file over the default.
func (f *runFlags) overlay(fs *pflag.FlagSet, p plan.Plan, args []string) (plan.Plan, error) {
	if len(args) > 0 {
		p.Model = args[0]
	}
	file := f.planFile()
	target := p.Target
	if fs.Changed("target") {
		target = f.target
	}
	if p.Suite != nil {
		p = p.OfSuiteFor(target)
	}
	switch {
	case p.Model == "" && hasOwnModel(target):
	case p.Model == "" && file:
		return p, withHint("write: sweetspot MODEL --sweep="+f.planPath(), "%s has no model", f.planPath())
	case p.Model == "":
		p.Model = demoModel
	}
	if !file && f.resume == "" {
		p = f.simulated(fs, p)
		if f.demo = p.Model == demoModel && !fs.Changed("sla"); f.demo {
			p.SLA.Limit = demoSLA
		}
	}
	err := errors.Join(f.promise(fs, &p), f.load(fs, &p), f.space(fs, &p), f.searchFlags(fs, &p))
	if err != nil {
		return p, err
	}
	return complete(p)
}

// simulated completes the default plan for a simulated device: all devices and precisions of
// its table are searched, with the promise and the load of its study, if it has one.
func (f *runFlags) simulated(fs *pflag.FlagSet, p plan.Plan) plan.Plan {
	if !catalog.IsSimulated(p.Model) {
		return p
	}
	p.Knobs = cloneMap(p.Knobs)
	p.Knobs[knob.Device], p.Knobs[knob.FP16] = knob.Auto, knob.Auto
	if study, ok := catalog.StudyOf(p.Model); ok && !fs.Changed("sla") {
		p.SLA.Limit, p.Loads = study.Limit, []load.Spec{{Mode: load.Closed, Concurrency: study.Clients}}
		f.slaOrigin = "that of the study; --sla sets another one"
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
			return withHint(fmt.Sprintf("leave out --timeout (then it is %v), or give more than --sla", p.SLA.RequestTimeout()),
				"--timeout: %v is not above the promised %v: a late request would be a timeout", f.timeout, p.SLA.Limit)
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
		return errors.New("--concurrency, --rate and --trace are three kinds of load: give only one")
	case fs.Changed("arrivals") && !fs.Changed("rate") && !f.seeksCapacity(fs, *p):
		return errors.New("--arrivals is for an open load: also give --rate")
	case fs.Changed("arrivals") && kinds > 0 && !fs.Changed("rate"):
		return errors.New("--arrivals is for an open load: leave out --concurrency or --trace")
	case fs.Changed("rate") || fs.Changed("arrivals"): // without a rate, for question capacity
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
			return fmt.Errorf("--concurrency: %q is neither a whole number nor matched", f.concurrency)
		}
		p.Loads = []load.Spec{l}
	}
	p.LoadGiven = p.LoadGiven || kinds > 0 || fs.Changed("arrivals")
	return nil
}

// seeksCapacity reports whether the question of the plan will be capacity, which has arrivals without a rate.
func (f *runFlags) seeksCapacity(fs *pflag.FlagSet, p plan.Plan) bool {
	if fs.Changed("question") {
		return f.question == plan.Capacity.String()
	}
	return p.Question == plan.Capacity
}

// space sets the given knobs in the plan. With --sweep a knob with one value is not
// searched, and a knob with a range is. In the workbench the knobs are only the start
// settings.
func (f *runFlags) space(fs *pflag.FlagSet, p *plan.Plan) error {
	if fs.Changed("rule") {
		rule, err := knob.ParseRule(f.rule)
		if err != nil {
			return fmt.Errorf("--rule: %w", err)
		}
		p.Options.Rule = rule
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
	if f.contentType != "" {
		p.ContentType = f.contentType
	}
	if fs.Changed("target") {
		p.Target = f.target
	}
	if err := f.bodyFlags.overlay(p); err != nil {
		return err
	}
	return f.modelFlags.overlay(p)
}

// ranges sets the ranges of --knob in the plan. Other names than those of the common knobs
// are checked later, because only the target knows its own knobs.
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

func (f *runFlags) searchFlags(fs *pflag.FlagSet, p *plan.Plan) error {
	if fs.Changed("strategy") {
		p.Strategy = f.strategy
	}
	if fs.Changed("budget") {
		p.Budget.Time = f.budget
	}
	if fs.Changed("hold") {
		p.Hold = f.hold
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
	if fs.Changed("cost") {
		p.Cost = f.cost
	}
	if p.Question == plan.Replicas && (len(p.Loads) != 1 || p.Loads[0].Mode != load.Open) {
		return withHint("write: --question replicas --rate 500", "--question replicas: how many requests per second shall all replicas carry?")
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

// cloneMap copies m. Unlike maps.Clone it never returns nil.
func cloneMap[K comparable, V any](m map[K]V) map[K]V {
	out := make(map[K]V, len(m)+1)
	maps.Copy(out, m)
	return out
}
