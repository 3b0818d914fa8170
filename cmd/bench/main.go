// Command bench measures the figures of the project and reports for each whether
// it meets its goal.
//
//	bench overhead              one set of figures, in under 50 s
//	bench overhead -full        the same with more and longer blocks
//	bench list                  lists the sets
//
// Figures are lines on stdout, or one object with -json; docs/benchmarks.md
// explains them. The exit code is 0 if no figure falls short of its goal, 2 if
// one does, and 1 after an error.
//
// Each set has a file in this package and adds its figures to a report. The goals
// are the table in goals.go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// bench is one set of figures.
type bench struct {
	name      string // the first part of its figures' names
	about     string
	parts     []string // that -only can name
	run       func(context.Context, *env) error
	fullLimit time.Duration // time limit with -full, if it is longer than that of the budget

	quickLimit time.Duration // the same without -full
	takesTime  bool          // -time says how long it runs
}

// benches lists the sets.
func benches() []bench {
	return []bench{
		{name: "batching", about: "the cost of building batches: steps per second, allocations", run: measureBatching},
		{name: "overhead", about: "what the engine adds to a bare session and to an empty HTTP handler", run: measureOverhead},
		{name: "loadgen", about: "the load generator: its timing, its cost, and what it measures of a server that stalls", run: measureLoadgen},
		{name: "serve", about: "which share of the time and rate of a bare session the engine reaches", run: measureServe},
		{name: "lengths", about: "texts of different lengths: equal shapes, buckets and padding compared with padding all to 128", run: measureLengths},
		{name: "apply", about: "how changes of the settings affect requests", run: measureApply},
		{
			name: "soak", about: "whether each request gets one answer and memory stays constant, while four models are overloaded and changed beside sweeps", run: measureSoak,
			takesTime: true, quickLimit: 2 * time.Minute, fullLimit: 30 * time.Minute,
		},
		{name: "interval", about: "how often intervals, verdicts and corrected percentiles are right, on simulated servers", run: measureInterval, fullLimit: 2 * time.Hour},
		{name: "overload", about: "verdicts about a real engine with more requests than its capacity, and with fewer", run: measureOverload, fullLimit: 30 * time.Minute},
		{name: "search", about: "what searches find, in how many load tests, on devices whose best settings are known", run: measureSearch, parts: []string{partProblems, partPromise, partReplay}, fullLimit: 2 * time.Hour},
		{name: "live", about: "what a search of a real model finds, compared with its recorded grid", run: measureLive},
		{name: "tui", about: "what the screen costs: frames, memory, first frame, keys, and its effect on requests", run: measureTUI, fullLimit: 40 * time.Minute},
		{name: "parent", about: "the processor time of the program beside its engine, with a screen and without", run: measureParent},
		{name: "nodes", about: "whether the models of the ONNX project's own tests are answered right", run: measureNodes},
		{
			name: "carry", about: "settings chosen with our engine, on a real TorchServe: with its measured cost and without", run: measureCarry,
			parts: []string{modelMLP, modelCNN}, quickLimit: 6 * time.Minute, fullLimit: 30 * time.Minute,
		},
		{
			name: "torchserve", about: "rate, latency, CPU time and tuning time of this program and a real TorchServe with the same archives", run: measureTorchServe,
			parts: []string{modelMLP, modelCNN, modelSmall, modelClassifier, partTuning}, quickLimit: 7 * time.Minute, fullLimit: time.Hour,
		},
		{
			name: "torchserve-python", about: "the part of torchserve with a handler in Python, which both run with the same worker", run: measureTorchServePython,
			quickLimit: 3 * time.Minute,
		},
		{
			name: "peers", about: "rate, latency and CPU time of this program and of LitServe, mosec, BentoML and TorchServe, each tuned for the same promise", run: measurePeers,
			quickLimit: 6 * time.Minute, fullLimit: time.Hour,
		},
		{name: "trials", about: "how many trials of a real engine contain the P99 of one long run", run: measureTrials, fullLimit: time.Hour},
	}
}

// env is the environment of a set.
type env struct {
	self   string // this executable, for the server child
	budget budget
	only   []string // parts of the set to measure; empty for all
	seed   uint64
	length time.Duration // of sets that take one; 0 is that of the budget
	cores  int           // that the container may use
	report *judge.Report
	stderr io.Writer

	environ []string // of child processes; nil is that of this one
}

// budget is how much a run measures.
type budget struct {
	mode        string
	limit       time.Duration // of one set; after it the set ends with an error
	blocks      int           // undisturbed blocks of a comparison
	maxBlocks   int           // all blocks of a comparison
	blockLength time.Duration // of one block
	calls       int           // over which allocations are counted
}

// The budgets. 5 comparisons of at most 30 blocks, with their setup, fit the
// limit of quick.
var (
	quick = budget{"quick", 50 * time.Second, 24, 28, 250 * time.Millisecond, 5_000}
	full  = budget{"full", 20 * time.Minute, 120, 240, 400 * time.Millisecond, 50_000}
)

// wants reports whether a part of the set is to be measured.
func (e *env) wants(part string) bool { return len(e.only) == 0 || slices.Contains(e.only, part) }

// plan is the budget of one comparison.
func (e *env) plan(watch judge.DisturbanceFunc) judge.Plan {
	b := e.budget
	return judge.Plan{Blocks: b.blocks, MaxBlocks: b.maxBlocks, Length: b.blockLength, Seed: e.seed, Watch: watch}
}

// options are the command line.
type options struct {
	names []string
	full  bool
	json  bool
	only  []string
	seed  uint64
	time  time.Duration
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && argCommands()[args[0]] != nil {
		if err := argCommands()[args[0]](ctx, args[1:], stdin, stdout); err != nil {
			fmt.Fprintf(stderr, "bench: %v\n", err)
			return judge.ExitError
		}
		return judge.ExitOK
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return judge.ExitOK
	case err != nil: // the flag package has printed it
		return judge.ExitError
	}
	code, err := o.dispatch(ctx, stdin, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return judge.ExitError
	}
	return code
}

// parse reads flags before, between and after the names.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	isQuick := fs.Bool("quick", false, "under 50 s a set, carry, torchserve and peers up to 5 minutes (default)")
	fs.BoolVar(&o.full, "full", false, "minutes a set, for figures that count as evidence")
	fs.BoolVar(&o.json, "json", false, "one JSON object instead of lines")
	fs.Func("only", "parts of the set to measure, separated by commas: models of carry; models and tuning of torchserve; problems, promise and replay of search", func(s string) error {
		o.only = strings.Split(s, ",")
		return nil
	})
	fs.Uint64Var(&o.seed, "seed", 1, "seed of everything random")
	fs.DurationVar(&o.time, "time", 0, "time under load of soak; without it 10m with -full")
	fs.Usage = func() {
		fmt.Fprint(stderr, "usage: bench NAME... [-quick | -full] [-json] [-only PARTS] [-time TIME] [-seed N]\n       bench list\n\nexample: bench overhead -full\n\n")
		fs.PrintDefaults()
	}
	for {
		if err := fs.Parse(args); err != nil {
			return o, err
		}
		if fs.NArg() == 0 {
			break
		}
		o.names = append(o.names, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if *isQuick && o.full {
		err := errors.New("-quick and -full exclude each other; leave one out")
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return o, err
	}
	return o, nil
}

// commands are the hidden commands with which sets start this program again.
func commands() map[string]func(context.Context, io.Reader, io.Writer) error {
	return map[string]func(context.Context, io.Reader, io.Writer) error{
		serverCommand: runOverheadServer, modelServerCommand: runModelServer, loadgenServer: runLoadgenServer, loadgenCore: runOneCore,
		lengthsCommand: runLengthsServer, nodesCommand: runNodesServer,
	}
}

// argCommands are the hidden commands with arguments.
func argCommands() map[string]func(context.Context, []string, io.Reader, io.Writer) error {
	return map[string]func(context.Context, []string, io.Reader, io.Writer) error{
		engineCommand: runEngineChild, superviseCommand: runSupervisor, archiveServer: runArchiveServer,
	}
}

func (o options) dispatch(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	if len(o.names) == 1 {
		if command := commands()[o.names[0]]; command != nil {
			return 0, command(ctx, stdin, stdout)
		}
	}
	switch {
	case len(o.names) == 0:
		return 0, errors.New("nothing to measure; name a set, such as: bench overhead, or see: bench list")
	case len(o.names) == 1 && o.names[0] == "list":
		return 0, list(stdout, o.json)
	}
	sets, err := findSets(o.names)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(checkParts(sets, o.only), checkTime(sets, o.time)); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	e := &env{self: self, budget: quick, only: o.only, seed: o.seed, length: o.time, cores: monitor.Limits().Cores, stderr: stderr}
	if o.full {
		e.budget = full
	}
	e.report = judge.NewReport(stdout, goals(), o.json)
	err = e.measure(ctx, sets)
	if err = errors.Join(err, e.report.Close()); err != nil {
		return 0, err
	}
	return e.report.Code(), nil
}

// findSets returns the sets with these names.
func findSets(names []string) ([]bench, error) {
	all := benches()
	var allNames []string
	for _, b := range all {
		allNames = append(allNames, b.name)
	}
	var out []bench
	for _, name := range names {
		i := slices.Index(allNames, name)
		if i < 0 {
			return nil, fmt.Errorf("%q: no set of figures of that name%s", name, knob.Suggest(name, allNames))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// checkParts returns an error if the sets do not have these parts.
func checkParts(sets []bench, only []string) error {
	for _, b := range sets {
		for _, part := range only {
			switch {
			case len(b.parts) == 0:
				return fmt.Errorf("-only %s: %s has no parts that can be measured alone", part, b.name)
			case !slices.Contains(b.parts, part):
				return fmt.Errorf("-only: %s has no part %q; it has: %s", b.name, part, strings.Join(b.parts, ", "))
			}
		}
	}
	return nil
}

// shortestSoak has enough load in each of its parts.
const shortestSoak = 20 * time.Second

// checkTime returns an error if the sets take no time of their own, or not this one.
func checkTime(sets []bench, d time.Duration) error {
	if d == 0 {
		return nil
	}
	for _, b := range sets {
		if !b.takesTime {
			return fmt.Errorf("-time: %s has no time of its own; only soak has", b.name)
		}
	}
	if d < shortestSoak {
		return fmt.Errorf("-time %v: at least %v", d, shortestSoak)
	}
	return nil
}

func list(w io.Writer, asJSON bool) error {
	if asJSON {
		sets := map[string]string{}
		for _, b := range benches() {
			sets[b.name] = b.about
		}
		return json.NewEncoder(w).Encode(sets)
	}
	for _, b := range benches() {
		if _, err := fmt.Fprintf(w, "%-17s %s\n", b.name, b.about); err != nil {
			return err
		}
	}
	return nil
}

// measure prints the machine line and runs the sets, each within its limit.
func (e *env) measure(ctx context.Context, sets []bench) error {
	m, err := describeMachine(ctx, e.cores, e.seed, e.budget.blockLength/5)
	if err != nil {
		return err
	}
	e.report.Machine(m)
	for _, b := range sets {
		e.report.Begin(judge.Run{Name: b.name, Mode: e.budget.mode, Only: e.only, Seed: e.seed})
		start := time.Now()
		if err := e.runWithLimit(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		e.report.End(time.Since(start))
	}
	return nil
}

func (e *env) runWithLimit(ctx context.Context, b bench) error {
	limit := e.budget.limit + 3*e.length
	switch e.budget.mode {
	case full.mode:
		limit = max(limit, b.fullLimit)
	case quick.mode:
		limit = max(limit, b.quickLimit)
	}
	slow := fmt.Errorf("not done after %v: the machine is too busy; try again, or with -full", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, slow)
	defer cancel()
	err := b.run(ctx, e)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // the cause explains more than err
	}
	return err
}
