package monitor

import (
	"errors"
	"time"
)

// Host is the CPU and memory of a process and its machine. Percentages are over
// the time since the sample before.
type Host struct {
	At           time.Time `json:"at"`
	CPUPercent   Reading   `json:"cpu_percent"`    // of one core: two busy cores are 200
	RSSBytes     Reading   `json:"rss_bytes"`      // resident now
	PeakRSSBytes Reading   `json:"peak_rss_bytes"` // high-water mark since the process started
	BusyPercent  Reading   `json:"busy_percent"`   // of the whole machine, 0-100, without steal
	IRQPercent   Reading   `json:"irq_percent"`    // of that, serving interrupts, network packets among them: nobody's
	StealPercent Reading   `json:"steal_percent"`  // taken by the hypervisor, 0-100
	Reason       string    `json:"reason,omitempty"`
}

// counters are what the operating system counts, at one moment.
type counters struct {
	at      time.Time
	process process
	err     error // why there is no process
	machine machine
	known   bool // machine was read
}

var errGone = errors.New("the process has ended")

// process is what is counted of one process.
type process struct {
	cpu       time.Duration // user and system, since its start
	rss, peak Reading       // bytes
	started   uint64        // tells a process from a later one with its number
}

// machine is CPU time in units of any one kind, since boot.
type machine struct{ busy, irq, steal, total float64 }

// shortest is the shortest time between two counters whose difference means
// something: the kernel counts CPU time in steps of 10 ms.
const shortest = 100 * time.Millisecond

// between is the host's use between two moments. The memory is b's.
func between(a, b counters) Host {
	h := Host{At: b.at, RSSBytes: b.process.rss, PeakRSSBytes: b.process.peak}
	wall := b.at.Sub(a.at)
	if b.err != nil {
		h.Reason = b.err.Error()
	}
	if wall < shortest {
		return h
	}
	if used := b.process.cpu - a.process.cpu; used >= 0 && a.err == nil && b.err == nil && a.process.started == b.process.started {
		h.CPUPercent = Of(100 * used.Seconds() / wall.Seconds())
	}
	if total := b.machine.total - a.machine.total; total > 0 && a.known && b.known {
		// iowait may run backwards, and busy with it: bounded, not believed.
		share := func(v float64) Reading { return Of(min(max(100*v/total, 0), 100)) }
		h.BusyPercent = share(b.machine.busy - a.machine.busy)
		h.IRQPercent = share(b.machine.irq - a.machine.irq)
		h.StealPercent = share(b.machine.steal - a.machine.steal)
	}
	return h
}

// Sampler takes samples of one process and its machine. It belongs to one
// goroutine.
type Sampler struct {
	pid  int
	last counters
}

// NewSampler returns a Sampler for a process. A process that cannot be read
// gives samples that say why.
func NewSampler(pid int) *Sampler { return &Sampler{pid: pid} }

// Sample reads the counters. Percentages are over the time since the call
// before, and n/a in the first one and within 100 ms of another.
func (s *Sampler) Sample() Host { return s.next(s.read(time.Now())) }

func (s *Sampler) next(c counters) Host {
	if s.last.at.IsZero() {
		s.last = c
	}
	h := between(s.last, c)
	if c.at.Sub(s.last.at) >= shortest {
		s.last = c
	}
	return h
}

// read is safe for concurrent use.
func (s *Sampler) read(now time.Time) counters {
	c := counters{at: now}
	c.process, c.err = readProcess(s.pid)
	var err error
	c.machine, err = readMachine()
	c.known = err == nil
	return c
}
