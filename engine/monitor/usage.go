package monitor

import (
	"os"
	"time"
)

// Usage is what a process has used since its start, children not counted.
type Usage struct {
	CPU          time.Duration // user and system, of all threads
	RSSBytes     Reading       // resident now
	PeakRSSBytes Reading       // high-water mark
}

// UsageOf reads what a process has used; 0 is this one. Unlike a Sampler it keeps
// nothing between calls, and is safe for concurrent use.
func UsageOf(pid int) (Usage, error) {
	if pid == 0 {
		pid = os.Getpid()
	}
	p, err := readProcess(pid)
	if err != nil {
		return Usage{}, err
	}
	return Usage{CPU: p.cpu, RSSBytes: p.rss, PeakRSSBytes: p.peak}, nil
}
