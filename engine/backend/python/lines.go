package python

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"sweetspot/engine/backend/python/worker"
)

// lines logs what a worker prints: every line for those who look for faults, and tracebacks as
// warnings, the first and then at most one every traceEvery.
type lines struct {
	log *slog.Logger

	mu     sync.Mutex // guards all below
	trace  []string   // the traceback that is being printed; nil is none
	warned time.Time
}

const (
	traceEvery   = 10 * time.Second
	longestTrace = 100 // lines
)

// add takes a line. It is safe for concurrent use.
func (l *lines) add(line worker.Line) {
	l.log.Debug("worker", "printed", line.Text)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case strings.HasPrefix(line.Text, "Traceback (most recent call last)"):
		l.trace = []string{line.Text}
	case l.trace == nil:
	case strings.HasPrefix(line.Text, " ") && len(l.trace) < longestTrace:
		l.trace = append(l.trace, line.Text)
	default:
		text := strings.Join(append(l.trace, line.Text), "\n")
		l.trace = nil
		if now := time.Now(); now.Sub(l.warned) >= traceEvery {
			l.warned = now
			l.log.Warn("an exception in a worker", "exception", line.Text, "traceback", text)
		}
	}
}
