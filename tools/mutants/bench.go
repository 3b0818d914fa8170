package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What happened to a mutant.
const (
	caught      = "caught"       // a test failed
	timedOut    = "timed out"    // the tests did not end: they noticed it too
	survived    = "survived"     // all tests passed
	notCovered  = "not covered"  // no test reaches the line: it survived without a run
	notCompiled = "not compiled" // no mutant of the sample
)

const (
	// leastLimit is the least time limit of a test run. A busy machine is several times slower,
	// and a mutant that waits forever costs this.
	leastLimit = 30 * time.Second
	// limitFactor is the time limit of a test run, as a multiple of the time of the tests
	// without a change.
	limitFactor = 8
	// buildLimit ends a build that hangs.
	buildLimit = 10 * time.Minute
	// memoryLimit is the address space of a test process in KiB: a loop that allocates
	// without end must not take the memory of the machine.
	memoryLimit = 12 << 20
)

// bench tests the mutants of one package. testAll runs several tests at a time; everything else is for
// one goroutine.
type bench struct {
	options
	pkg   string
	work  string // folder for its files
	tests []test
}

// test is one test function and what it reaches.
type test struct {
	Name    string
	Seconds float64
	Blocks  []block // of the whole package, those that the test executes marked
}

// block is a part of a file that a test executes. The places are lines and columns from 1.
type block struct {
	File                      string // name without folder
	Executed                  bool
	Line, Column, Line2, Col2 int
}

func (b block) contains(m mutant) bool {
	return b.File == filepath.Base(m.File) &&
		(m.Line > b.Line || m.Line == b.Line && m.Column >= b.Column) &&
		(m.Line < b.Line2 || m.Line == b.Line2 && m.Column <= b.Col2)
}

// within reports whether the block is in the function of a mutant.
func (b block) within(m mutant) bool {
	return b.File == filepath.Base(m.File) && b.Line >= m.funcLine && b.Line2 <= m.funcEnd
}

// reaches reports whether the test executes the place of a mutant. The conditions of cases are in
// no block: they are reached where anything of their function is executed.
func (t test) reaches(m mutant) bool {
	known, around := false, false
	for _, b := range t.Blocks {
		if b.contains(m) {
			if b.Executed {
				return true
			}
			known = true
		}
		around = around || b.Executed && b.within(m)
	}
	return !known && around
}

// measureTests runs each test of the package alone, unchanged, and notes its time and what it
// covers. A test that fails ends the run.
func (b *bench) measureTests(ctx context.Context) error {
	binary := filepath.Join(b.work, "unchanged.test")
	if out, err := b.build(ctx, binary, "-cover"); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	out, err := b.execute(ctx, binary, leastLimit, "-test.list=.")
	if err != nil {
		return fmt.Errorf("list of tests: %w\n%s", err, out)
	}
	for name := range strings.FieldsSeq(out) {
		if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Example") || strings.HasPrefix(name, "Fuzz") {
			b.tests = append(b.tests, test{Name: name})
		}
	}
	return b.parallel(ctx, len(b.tests), func(i int) error {
		t := &b.tests[i]
		profile := filepath.Join(b.work, fmt.Sprintf("cover%d", i))
		began := time.Now()
		out, err := b.execute(ctx, binary, buildLimit, "-test.run=^"+t.Name+"$", "-test.coverprofile="+profile)
		if err != nil {
			return fmt.Errorf("%s fails without a change: %w\n%s", t.Name, err, out)
		}
		t.Seconds = time.Since(began).Seconds()
		t.Blocks, err = readCover(profile)
		return err
	})
}

// readCover reads the blocks of a coverage profile.
func readCover(file string) ([]block, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the test was skipped as a whole
	}
	if err != nil {
		return nil, err
	}
	var blocks []block
	for line := range strings.Lines(string(data)) {
		place, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || place == "mode" {
			continue
		}
		var b block
		var statements, count int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.Line, &b.Column, &b.Line2, &b.Col2, &statements, &count); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", file, line, err)
		}
		b.File, b.Executed = filepath.Base(place), count > 0
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// reaching lists the tests that execute the place of a mutant and the time they need together. Declarations outside of
// functions have no coverage: all tests are taken for them.
func (b *bench) reaching(m mutant) (names []string, seconds float64) {
	for _, t := range b.tests {
		if m.Func == "" || t.reaches(m) {
			names = append(names, t.Name)
			seconds += t.Seconds
		}
	}
	return names, seconds
}

// testAll tests mutants in their order until the sample is full. Mutants that do not compile are
// in the result, but not in the sample. The results so far come also with an error.
func (b *bench) testAll(ctx context.Context, mutants []mutant, earlier report) ([]result, error) {
	before := map[string]result{}
	for _, r := range earlier.Results {
		before[r.id()] = r
	}
	var results []result
	wanted := len(mutants)
	if b.sample > 0 {
		wanted = min(wanted, b.sample)
	}
	for len(mutants) > 0 && wanted > 0 {
		some := mutants[:min(len(mutants), max(wanted, b.jobs))]
		mutants = mutants[len(some):]
		found := make([]result, len(some))
		var open []int // indexes of those without a result yet
		for i, m := range some {
			r, ok := before[m.id()]
			if !ok {
				open = append(open, i)
				continue
			}
			r.mutant = m // its place in the file may be another one
			r.Equivalent = b.known.reason(m)
			found[i] = r
		}
		err := b.parallel(ctx, len(open), func(k int) (err error) {
			if !b.until.IsZero() && time.Now().After(b.until) {
				return errTime
			}
			found[open[k]], err = b.test(ctx, some[open[k]])
			return err
		})
		for _, r := range found {
			if r.Outcome == "" || wanted == 0 {
				continue
			}
			if r.Outcome != notCompiled {
				wanted--
			}
			results = append(results, r)
		}
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

// test builds and tests one mutant.
func (b *bench) test(ctx context.Context, m mutant) (result, error) {
	r := result{mutant: m}
	r.Equivalent = b.known.reason(m)
	names, seconds := b.reaching(m)
	dir, err := os.MkdirTemp(b.work, "mutant")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir) // only temporary files
	overlay, err := b.writeOverlay(dir, m)
	if err != nil {
		return r, err
	}
	binary := filepath.Join(dir, "changed.test")
	if _, err := b.build(ctx, binary, "-overlay="+overlay); err != nil {
		r.Outcome = notCompiled
		return r, context.Cause(ctx)
	}
	if len(names) == 0 {
		r.Outcome = notCovered
		return r, nil
	}
	limit := max(leastLimit, time.Duration(limitFactor*seconds*float64(time.Second)))
	out, err := b.execute(ctx, binary, limit, "-test.run=^("+strings.Join(names, "|")+")$", "-test.failfast")
	switch {
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case err == nil:
		r.Outcome = survived
	case strings.Contains(out, "panic: test timed out after"):
		r.Outcome = timedOut
	default:
		r.Outcome, r.By = caught, firstFailure(out)
	}
	return r, nil
}

// firstFailure names the test that failed, or the reason why the process ended.
func firstFailure(out string) string {
	first := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			name, _, _ := strings.Cut(rest, " ")
			return name
		}
		if first == "" && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) {
			first = line
		}
	}
	return first
}

// writeOverlay writes the changed file and the description that the compiler gets by -overlay.
func (b *bench) writeOverlay(dir string, m mutant) (string, error) {
	original := filepath.Join(b.root, filepath.FromSlash(m.File))
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(original))
	text := string(source[:m.start]) + m.text + string(source[m.end:])
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}

// build compiles the tests of the package to a file.
func (b *bench) build(ctx context.Context, binary string, flags ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, buildLimit)
	defer stop()
	args := append([]string{"go", "test", "-c", "-ldflags=-s -w", "-o", binary}, flags...)
	cmd := b.command(ctx, append(args, "./"+b.pkg)...)
	cmd.Dir = b.root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// execute runs a test binary in the folder of the package.
func (b *bench) execute(ctx context.Context, binary string, limit time.Duration, flags ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, 2*limit+buildLimit) // the binary has its own limit; the prefix may wait
	defer stop()
	args := []string{"sh", "-c", "ulimit -v " + strconv.Itoa(memoryLimit) + ` 2>/dev/null; exec "$0" "$@"`, binary, "-test.short", "-test.timeout=" + limit.String()}
	cmd := b.command(ctx, append(args, flags...)...)
	cmd.Dir = filepath.Join(b.root, filepath.FromSlash(b.pkg))
	cmd.WaitDelay = time.Second // children of the tests may keep its output open
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(b.prefix[:len(b.prefix):len(b.prefix)], args...)
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

// parallel calls do with 0 to n-1, several at a time, and returns the first error.
func (b *bench) parallel(ctx context.Context, n int, do func(int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var wait sync.WaitGroup
	for range b.jobs {
		wait.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wait.Wait()
	return context.Cause(ctx)
}
