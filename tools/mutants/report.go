package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// result is what happened to a mutant.
type result struct {
	mutant
	Outcome    string
	By         string `json:",omitempty"` // the test that caught it
	Equivalent string `json:",omitempty"` // why no test can catch it, from docs/mutation.md
}

// report is what happened to the sample of a package.
type report struct {
	Package  string
	Seed     string
	Possible int // mutants of the package, compiled or not
	Tests    int
	Seconds  float64
	Results  []result
}

func (r report) count(outcomes ...string) (n int) {
	for _, x := range r.Results {
		for _, o := range outcomes {
			if x.Outcome == o {
				n++
			}
		}
	}
	return n
}

// forget drops the mutants that were not caught.
func (r *report) forget() {
	r.Results = slices.DeleteFunc(r.Results, func(x result) bool { return x.Outcome == survived || x.Outcome == notCovered })
}

// size is the number of mutants of the sample: those that compile.
func (r report) size() int { return len(r.Results) - r.count(notCompiled) }

// share is the part of the sample that the tests noticed, 0 to 1; mutants that no test can
// notice count against it. It is 1 for a package without mutants.
func (r report) share() float64 {
	if r.size() == 0 {
		return 1
	}
	return float64(r.count(caught, timedOut)) / float64(r.size())
}

func (r report) equivalent() (n int) {
	for _, x := range r.Results {
		if x.Equivalent != "" && (x.Outcome == survived || x.Outcome == notCovered) {
			n++
		}
	}
	return n
}

// print lists the mutants that survived.
func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %d of %d mutants caught (%.0f%%), %d tests, %.0f s\n", r.Package, r.count(caught, timedOut), r.size(), 100*r.share(), r.Tests, r.Seconds)
	for _, x := range r.Results {
		if x.Outcome != survived && x.Outcome != notCovered {
			continue
		}
		fmt.Fprintf(w, "  %s:%d:%d: %s (%s, %s)\n    was  %s\n    now  %s\n", x.File, x.Line, x.Column, x.Outcome, x.Kind, x.Func, x.Was, x.Now)
		if x.Equivalent != "" {
			fmt.Fprintf(w, "    equivalent: %s\n", x.Equivalent)
		}
	}
}

// printTable prints a row for each package.
func printTable(w io.Writer, reports []report) {
	fmt.Fprintf(w, "\n%-20s %8s %6s %9s %8s %11s %10s %12s %6s\n", "package", "possible", "sample", "caught", "time out", "not covered", "survived", "not compiled", "share")
	for _, r := range reports {
		fmt.Fprintf(w, "%-20s %8d %6d %9d %8d %11d %10d %12d %5.0f%%", r.Package, r.Possible, r.size(), r.count(caught), r.count(timedOut),
			r.count(notCovered), r.count(survived), r.count(notCompiled), 100*r.share())
		if n := r.equivalent(); n > 0 {
			fmt.Fprintf(w, "  (%d of those that were not caught are equivalent)", n)
		}
		fmt.Fprintln(w)
	}
}

// equivalents are the mutants that no test can notice, with the reason, by file, function, line
// and changed line.
type equivalents map[[4]string]string

func (e equivalents) reason(m mutant) string { return e[[4]string{m.File, m.Func, m.Was, m.Now}] }

// readEquivalents reads the tables of docs/mutation.md whose rows are file, function, line,
// changed line and reason. Within a cell, \| stands for |. A page that is not there has none.
func readEquivalents(file string) (equivalents, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := equivalents{}
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00"), "|")
		if len(cells) != 7 {
			continue
		}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(strings.Trim(strings.TrimSpace(c), "`"), "\x00", "|")
		}
		known[[4]string(cells[1:5])] = cells[5]
	}
	return known, nil
}
