// Command bench measures what the project promises, and says of each figure
// whether it meets its goal.
//
//	bench overhead              one set of figures, in under 50 s
//	bench overhead -full        the same as evidence: more and longer blocks
//	bench list                  the sets there are
//
// Figures are lines on stdout, or one object with -json; docs/benchmarks.md
// explains them. The exit code is 0 when nothing falls short of its goal, 2 when
// something does, and 1 after an error.
//
// Each set is a file of this package and adds its figures to a report; their
// goals are the table in goals.go.
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
	name  string // the first part of its figures' names
	about string
	run   func(context.Context, *env) error
	long  time.Duration // limit of -full where the budget's is too short
}

// benches lists the sets.
func benches() []bench {
	return []bench{
		{name: "batching", about: "what forming batches costs: steps per second, allocations", run: batching},
		{name: "overhead", about: "what the engine adds to a bare session and to an empty HTTP handler", run: overhead},
		{name: "loadgen", about: "how punctual the load generator is, what it costs, and what it says of a server that stalls", run: loadgen},
		{name: "serve", about: "what share of the bare session's time and rate the engine serves", run: serving},
		{name: "apply", about: "what requests notice of changes of the settings", run: applying},
		{name: "soak", about: "whether every request is answered once, and memory stays, while four models are overloaded and changed", run: soaking},
		{name: "interval", about: "what intervals, verdicts and corrected percentiles are worth, on simulated servers", run: interval, long: 2 * time.Hour},
		{name: "overload", about: "what a real engine is said to do with more requests than it bears, and with fewer", run: realOverload, long: 30 * time.Minute},
		{name: "search", about: "what searches find, in how many load tests, on devices whose best settings are known", run: searching, long: time.Hour},
		{name: "live", about: "what a search of a real model finds, against its recorded grid", run: searchLive},
		{name: "trials", about: "how many trials of a real engine are right about one long run", run: trials, long: time.Hour},
	}
}

// env is what a set works with.
type env struct {
	self   string // this executable, for the server child
	budget budget
	seed   uint64
	cores  int // that the container gives
	report *judge.Report
	stderr io.Writer
}

// budget is how much a run may spend.
type budget struct {
	mode   string
	limit  time.Duration // of one set; then it ends with an error
	blocks int           // clean blocks of a comparison
	most   int           // its blocks at all
	length time.Duration // of one block
	count  int           // calls that allocations are counted over
}

// The budgets. 5 comparisons of at most 30 blocks, and what surrounds them, fit
// the limit of quick.
var (
	quick = budget{"quick", 50 * time.Second, 24, 28, 250 * time.Millisecond, 5_000}
	full  = budget{"full", 20 * time.Minute, 120, 240, 400 * time.Millisecond, 50_000}
)

// plan is the budget of one comparison.
func (e *env) plan(noise judge.Noise) judge.Plan {
	b := e.budget
	return judge.Plan{Blocks: b.blocks, Most: b.most, Length: b.length, Seed: e.seed, Noise: noise}
}

// options are the command line.
type options struct {
	names []string
	full  bool
	json  bool
	seed  uint64
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == engineCommand { // its flags are the settings'
		if err := serveEngine(ctx, args[1:], stdin); err != nil {
			fmt.Fprintf(stderr, "bench: %v\n", err)
			return judge.ExitError
		}
		return judge.ExitFine
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return judge.ExitFine
	case err != nil: // the flag package has said it
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
	isQuick := fs.Bool("quick", false, "under 50 s a set (default)")
	fs.BoolVar(&o.full, "full", false, "minutes; the evidence")
	fs.BoolVar(&o.json, "json", false, "one JSON object instead of lines")
	fs.Uint64Var(&o.seed, "seed", 1, "of everything drawn by chance")
	fs.Usage = func() {
		fmt.Fprint(stderr, "usage: bench NAME... [-quick | -full] [-json] [-seed N]\n       bench list\n\nexample: bench overhead -full\n\n")
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

// commands are the processes that sets start of this program.
func commands() map[string]func(context.Context, io.Reader, io.Writer) error {
	return map[string]func(context.Context, io.Reader, io.Writer) error{
		serverCommand: serve, labCommand: serveModels, loadgenServer: serveLoad, loadgenCore: runCore,
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
	sets, err := find(o.names)
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	e := &env{self: self, budget: quick, seed: o.seed, cores: monitor.Limits().Cores, stderr: stderr}
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

// find looks the names up.
func find(names []string) ([]bench, error) {
	all := benches()
	var known []string
	for _, b := range all {
		known = append(known, b.name)
	}
	var out []bench
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("%q: no set of figures of that name%s", name, knob.Suggest(name, known))
		}
		out = append(out, all[i])
	}
	return out, nil
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
		if _, err := fmt.Fprintf(w, "%-10s %s\n", b.name, b.about); err != nil {
			return err
		}
	}
	return nil
}

// measure prints the machine line and runs the sets, each within its limit.
func (e *env) measure(ctx context.Context, sets []bench) error {
	m, err := describe(ctx, e.cores, e.seed)
	if err != nil {
		return err
	}
	e.report.Machine(m)
	for _, b := range sets {
		e.report.Begin(judge.Run{Name: b.name, Mode: e.budget.mode, Seed: e.seed})
		start := time.Now()
		if err := e.within(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		e.report.End(time.Since(start))
	}
	return nil
}

func (e *env) within(ctx context.Context, b bench) error {
	limit := e.budget.limit
	if e.budget.mode == full.mode {
		limit = max(limit, b.long)
	}
	slow := fmt.Errorf("not done after %v: the machine is too busy; try again, or with -full", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, slow)
	defer cancel()
	err := b.run(ctx, e)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // what broke off says less than why
	}
	return err
}
