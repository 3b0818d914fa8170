package monitor

import (
	"os"
	"time"
)

// Usage is the usage of a process since its start.
type Usage struct {
	CPU          time.Duration // user and system, of all threads
	RSSBytes     Reading       // resident now
	PeakRSSBytes Reading       // largest resident memory
}

// TreeUsage measures this process and its descendants, as NewTreeSampler does.
func TreeUsage() (Usage, error) {
	p, err := readProcess(os.Getpid())
	if err != nil {
		return Usage{}, err
	}
	p.addDescendants(os.Getpid())
	return Usage{CPU: p.cpu, RSSBytes: p.rss, PeakRSSBytes: p.peak}, nil
}

// UsageOf measures a process without its children; 0 is this one. Unlike a Sampler it has no state and is safe for
// concurrent use.
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
