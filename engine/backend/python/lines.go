package python

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/backend/python/worker"
)

// lines adds up the metrics that a worker prints, and logs what it prints: every line for those who look for faults, and tracebacks as
// warnings, the first and then at most one every traceEvery.
type lines struct {
	log     *slog.Logger
	metrics *series

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
	if protocol.IsMetric(line.Text) {
		if m, err := protocol.ParseMetric(line.Text); err == nil { // else the line is in the log
			l.metrics.add(m)
		}
		return
	}
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
