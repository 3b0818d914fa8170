// Command mutants measures whether the tests of a package notice faults. It changes one place
// of the source at a time ("mutant": a comparison turned, a statement removed, a constant one
// higher, ...), runs the tests of the package against it, and counts which mutants they catch.
//
//	go run -C tools/mutants . engine/batching sweep/stat
//	go run -C tools/mutants . -sample 20 -seed 7 engine
//	go run -C tools/mutants . -state /tmp/mutants -again engine
//
// With -state the results are kept in a folder: a run that was interrupted, or that -time ended,
// goes on there, and -again tests those that were not caught once more, after tests were added.
//
// Of each package a sample is taken: the mutants are ordered by a hash of the seed and of
// what they change, so that the same seed takes the same mutants as long as their lines stay
// as they are, also when other lines are added. A mutant that does not compile is replaced by the next one.
//
// The source files are never written: the compiler gets the changed file by -overlay. Only the
// tests that reach the changed line are run; the coverage of each test is measured first. Tests run
// with -short and without the race detector.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

// options are the flags of a run.
type options struct {
	root   string // folder of the module whose packages are mutated
	seed   string
	sample int     // mutants of a package
	jobs   int     // at a time
	least  float64 // share that must be caught
	known  equivalents
	prefix []string // starts each build and each test run
	state  string   // folder of reports and measured tests, or empty
	again  bool     // test mutants again that were not caught
	until  time.Time
}

// errTime says that a run ended before its sample was complete.
var errTime = errors.New("the time is over; another run with the same -state goes on")

func run(ctx context.Context, args []string) error {
	o, packages, err := parse(args)
	if err != nil {
		return err
	}
	o.root, err = moduleRoot(ctx)
	if err != nil {
		return err
	}
	if o.known, err = readEquivalents(filepath.Join(o.root, "docs", "mutation.md")); err != nil {
		return err
	}
	var reports []report
	var faults []error
	for _, p := range packages {
		r, err := mutatePackage(ctx, o, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		r.print(os.Stdout)
		reports = append(reports, r)
		if s := r.share(); s < o.least {
			faults = append(faults, fmt.Errorf("%s: %.0f%% of the mutants are caught, at least %.0f%% are wanted", p, 100*s, 100*o.least))
		}
	}
	printTable(os.Stdout, reports)
	return errors.Join(faults...)
}

func parse(args []string) (options, []string, error) {
	var o options
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.StringVar(&o.seed, "seed", "1", "`TEXT` that chooses the sample")
	flags.IntVar(&o.sample, "sample", 60, "`NUMBER` of mutants of each package; 0 is all")
	flags.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "`NUMBER` of mutants that are tested at a time")
	flags.Float64Var(&o.least, "least", 0, "least `SHARE` that must be caught in each package, 0 to 1, or the exit code is 1")
	prefix := flags.String("prefix", "", "`COMMAND` that starts each build and each test run, such as \"nice -n 10\"")
	flags.StringVar(&o.state, "state", "", "`FOLDER` that keeps the results: another run goes on from them")
	flags.BoolVar(&o.again, "again", false, "test mutants again that the results in -state say were not caught")
	limit := flags.Duration("time", 0, "`DURATION` after which no further mutant is tested, such as 2m; needs -state")
	if err := flags.Parse(args); err != nil {
		return o, nil, err
	}
	o.prefix = strings.Fields(*prefix)
	if *limit > 0 {
		o.until = time.Now().Add(*limit)
	}
	switch {
	case o.state == "" && (o.again || *limit > 0):
		return o, nil, errors.New("-again and -time need -state, where the results are kept")
	case flags.NArg() == 0:
		return o, nil, errors.New("no package: give folders below the root of the module, such as engine/batching")
	case o.sample < 0:
		return o, nil, fmt.Errorf("-sample %d: give 0 or more", o.sample)
	case o.jobs < 1:
		return o, nil, fmt.Errorf("-jobs %d: give 1 or more", o.jobs)
	case o.least < 0 || o.least > 1:
		return o, nil, fmt.Errorf("-least %g: give a share from 0 to 1", o.least)
	}
	return o, flags.Args(), nil
}

// moduleRoot is the folder with the go.mod that is nearest above the folder of this module.
func moduleRoot(ctx context.Context) (string, error) {
	here, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	dir := filepath.Dir(strings.TrimSpace(string(here)))
	for {
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("no go.mod above the folder of this program: run it with go run -C tools/mutants")
		}
		dir = above
		// tools/go.mod only pins tools.
		if _, err := os.Stat(filepath.Join(dir, "arch_test.go")); err == nil {
			return dir, nil
		}
	}
}

// mutatePackage tests a sample of the mutants of a package.
func mutatePackage(ctx context.Context, o options, pkg string) (report, error) {
	began := time.Now()
	mutants, err := packageMutants(ctx, o.root, pkg)
	if err != nil {
		return report{}, err
	}
	order(mutants, o.seed)
	work, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(work) // only temporary files
	b := &bench{options: o, pkg: pkg, work: work}
	reportFile, testsFile := o.file(pkg, "report"), o.file(pkg, "tests")
	earlier, err := readState[report](reportFile)
	if err != nil {
		return report{}, err
	}
	if o.again { // tests were added: those of before are no longer all
		earlier.forget()
		b.tests = nil
		if err := errors.Join(writeState(reportFile, earlier), writeState(testsFile, b.tests)); err != nil {
			return report{}, err
		}
	} else if b.tests, err = readState[[]test](testsFile); err != nil {
		return report{}, err
	}
	if len(b.tests) == 0 {
		if err := b.measureTests(ctx); err != nil {
			return report{}, err
		}
		if err := writeState(testsFile, b.tests); err != nil {
			return report{}, err
		}
	}
	results, err := b.testAll(ctx, mutants, earlier)
	r := report{
		Package: pkg, Seed: o.seed, Possible: len(mutants), Tests: len(b.tests),
		Seconds: earlier.Seconds + time.Since(began).Seconds(), Results: results,
	}
	return r, errors.Join(err, writeState(reportFile, r))
}

// file is the name of a file of the state, or empty without a state.
func (o options) file(pkg, kind string) string {
	if o.state == "" {
		return ""
	}
	return filepath.Join(o.state, strings.ReplaceAll(pkg, "/", "-")+"."+kind+".json")
}

// readState reads a value from a file; a file that is not there has the zero value.
func readState[T any](file string) (v T, err error) {
	data, err := os.ReadFile(file)
	if file == "" || errors.Is(err, os.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

func writeState(file string, v any) error {
	if file == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
