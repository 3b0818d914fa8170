package process

import (
	"fmt"
	"regexp"
	"strings"
)

// Failure is the kind of a failure of a server.
type Failure string

// The kinds of failures.
const (
	NotFound    Failure = "the program cannot be started"
	PortTaken   Failure = "port in use"
	OutOfMemory Failure = "out of memory"
	BadArgument Failure = "an argument is refused"
	Crashed     Failure = "the server ended"
	NeverReady  Failure = "never ready"
)

// StartError is the failure of a server: before it was ready, or under load.
type StartError struct {
	Kind  Failure
	How   string   // "exit status 2 before it was ready"
	Lines []string // the last lines of its output, oldest first
}

// shownLines is the number of last lines in the text of an error.
const shownLines = 3

func (e *StartError) Error() string {
	text := fmt.Sprintf("%s: %s", e.Kind, e.How)
	if n := len(e.Lines); n > 0 {
		text += "; last lines: " + strings.Join(e.Lines[max(0, n-shownLines):], " | ")
	}
	return text
}

// LastLines returns the last lines of the output, oldest first.
func (e *StartError) LastLines() []string { return e.Lines }

// signs are texts in the output by which a failure is recognized, the most specific first.
var signs = []struct {
	kind Failure
	text *regexp.Regexp
}{
	{PortTaken, regexp.MustCompile(`(?i)address already in use|EADDRINUSE|port \S* ?(is )?(already )?(in use|taken)|failed to bind`)},
	{OutOfMemory, regexp.MustCompile(`(?i)out of memory|cannot allocate memory|\bMemoryError\b|std::bad_alloc|\bOOM\b|OutOfMemoryError`)},
	{BadArgument, regexp.MustCompile(`(?i)unrecognized argument|unknown (flag|option|shorthand)|no such option|invalid (choice|value|argument|option)|not defined: -|flag provided but|unexpected argument|got unexpected|argument -\S+:|bad flag`)},
}

// classify returns the kind of a failure by how the process ended and by its last lines.
func classify(how string, lines []string) Failure {
	text := strings.Join(lines, "\n")
	for _, s := range signs {
		if s.text.MatchString(text) {
			return s.kind
		}
	}
	if how == "killed" { // nobody else sends this signal; with a container's limit the kernel does
		return OutOfMemory
	}
	return Crashed
}
