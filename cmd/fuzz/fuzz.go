package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// result is what the run of a target has tried.
type result struct {
	inputs int64         // executions
	took   time.Duration // of fuzzing, without the build
	found  int64         // inputs that reached code that no other reached
	failed bool
}

func (r *result) add(o result) {
	r.inputs += o.inputs
	r.took += o.took
	r.found += o.found
}

func (r result) counts() string {
	return fmt.Sprintf("%d inputs in %v, %d new ones kept in the cache", r.inputs, r.took, r.found)
}

func (r result) String() string {
	status := "ok"
	if r.failed {
		status = "FAILED"
	}
	return r.counts() + " " + status
}

// minimizing is how long an input may be made shorter. The go command takes a minute for each that reaches new code unless told
// otherwise, in which nothing else is tried.
const minimizing = "2s"

// fuzz runs a target. The output of a failure goes to stderr.
func (t target) fuzz(ctx context.Context, o options, stderr io.Writer) (result, error) {
	args := []string{"test", "-run=^$", "-fuzz=^" + t.name + "$", "-fuzztime=" + o.each.String(), "-fuzzminimizetime=" + minimizing}
	if o.parallel > 0 {
		args = append(args, "-parallel="+strconv.Itoa(o.parallel))
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+t.folder)...)
	cmd.Dir, cmd.Stderr = t.module, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it then ends its own processes
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	r, other := read(out)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return result{}, context.Cause(ctx)
	}
	if r.failed = err != nil && !endedByTime(other); r.failed {
		_, _ = io.WriteString(stderr, other) // the exit code says it too
	}
	if !r.failed && r.inputs == 0 {
		return result{}, fmt.Errorf("%s: no input was tried; the go command printed:\n%s", t, other)
	}
	return r, nil
}

// progress is a line of the go command on the running target.
var progress = regexp.MustCompile(`^fuzz: elapsed: (\S+), execs: (\d+) \(\d+/sec\), new interesting: (\d+) \(total: \d+\)$`)

// deadline is what a target prints that is at work on an input when its time ends, on a busy machine now and then
// (https://go.dev/issue/75804). A failing input prints more.
var deadline = regexp.MustCompile(`(?m)^--- FAIL: Fuzz\w+ \([\d.]+s\)\n    context deadline exceeded\nFAIL$`)

// endedByTime reports whether the only failure that the go command printed is the end of the time.
func endedByTime(output string) bool { return deadline.MatchString(output) }

// read reads the output of the go command. It returns the counts of the last line of progress, and the lines that are
// about something else.
func read(from io.Reader) (last result, other string) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if r, ok := parseProgress(line); ok {
			last = r
		} else {
			other += line
		}
		if err != nil {
			return last, other
		}
	}
}

// parseProgress reads a line of progress.
func parseProgress(line string) (r result, ok bool) {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	m := progress.FindStringSubmatch(line)
	if m == nil {
		return result{}, false
	}
	var errs [3]error
	r.took, errs[0] = time.ParseDuration(m[1])
	r.inputs, errs[1] = strconv.ParseInt(m[2], 10, 64)
	r.found, errs[2] = strconv.ParseInt(m[3], 10, 64)
	return r, errs == [3]error{}
}
