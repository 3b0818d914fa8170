// Command fuzz runs the fuzz targets of the repository one after the other and prints how many inputs
// each has tried. It finds the targets in the sources, so that a new one needs no entry anywhere.
//
//	go run ./cmd/fuzz                          each target for 30 s
//	go run ./cmd/fuzz -time 2m                 each for 2 minutes
//	go run ./cmd/fuzz -only FuzzCollector      those whose "package.Name" matches an expression
//	go run ./cmd/fuzz -list                    only their names
//
// An input that makes a target fail is kept by the go command in testdata/fuzz of its package, where it is a test
// from then on. The other targets still run, and the exit code is 2 at the end; an error is 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are those of the command line.
type options struct {
	each     time.Duration
	parallel int
	only     *regexp.Regexp // nil for all
	list     bool
	root     string
}

// run returns the exit code: 0, 1 after an error, 2 if a target has failed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	var failed int
	if err == nil {
		failed, err = o.run(ctx, stdout, stderr)
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "fuzz: %v\n", err)
		return 1
	case failed > 0:
		return 2
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.each, "time", 30*time.Second, "`TIME` of each target")
	flags.IntVar(&o.parallel, "parallel", 0, "number of processes of each target; 0: as many as cores")
	only := flags.String("only", "", "only targets whose name matches this `EXPRESSION`, such as 'batching.FuzzCollector$'")
	flags.BoolVar(&o.list, "list", false, "print the names of the targets, run none")
	flags.StringVar(&o.root, "root", ".", "`FOLDER` of the repository")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q: no arguments are taken; to choose targets use -only", flags.Arg(0))
	case o.each < time.Second:
		return o, fmt.Errorf("-time %v: at least 1s, because the engine of the go command counts inputs every few seconds", o.each)
	case o.parallel < 0:
		return o, fmt.Errorf("-parallel %d: 0 or more", o.parallel)
	}
	if *only != "" {
		var err error
		if o.only, err = regexp.Compile(*only); err != nil {
			return o, fmt.Errorf("-only: %w", err)
		}
	}
	return o, nil
}

// run fuzzes the chosen targets and returns how many have failed.
func (o options) run(ctx context.Context, stdout, stderr io.Writer) (failed int, err error) {
	all, err := findTargets(o.root)
	if err != nil {
		return 0, err
	}
	var sum result
	ran := 0
	for _, t := range all {
		if o.only != nil && !o.only.MatchString(t.String()) {
			continue
		}
		if ran++; o.list {
			fmt.Fprintln(stdout, t)
			continue
		}
		r, err := t.fuzz(ctx, o, stderr)
		if err != nil {
			return failed, err
		}
		fmt.Fprintf(stdout, "%-60s %s\n", t, r)
		sum.add(r)
		if r.failed {
			failed++
		}
	}
	switch {
	case ran == 0 && o.only != nil:
		return 0, fmt.Errorf("-only %s: none of the %d targets matches; their names: -list", o.only, len(all))
	case ran == 0:
		return 0, fmt.Errorf("%s: no fuzz targets", o.root)
	case !o.list:
		fmt.Fprintf(stdout, "end %d targets, %d failed: %s\n", ran, failed, sum.counts())
	}
	return failed, nil
}
