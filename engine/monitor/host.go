package monitor

import (
	"errors"
	"time"
)

// Host is a sample of the CPU and the memory of a process and its machine. Percentages are
// since the previous sample.
type Host struct {
	At           time.Time `json:"at"`
	CPUPercent   Reading   `json:"cpu_percent"`    // of one core: two busy cores are 200
	RSSBytes     Reading   `json:"rss_bytes"`      // resident now
	PeakRSSBytes Reading   `json:"peak_rss_bytes"` // largest since the process started
	BusyPercent  Reading   `json:"busy_percent"`   // of the whole machine, 0-100, without steal
	IRQPercent   Reading   `json:"irq_percent"`    // part of that for interrupts, such as network packets; belongs to no process
	StealPercent Reading   `json:"steal_percent"`  // time that the hypervisor gave to others, 0-100
	Reason       string    `json:"reason,omitempty"`
}

// counters are the counters of the operating system at one time.
type counters struct {
	at         time.Time
	process    process
	err        error // why process could not be read
	machine    machine
	hasMachine bool // machine was read
}

var errEnded = errors.New("the process has ended")

// process has the counters of one process.
type process struct {
	cpu       time.Duration // user and system, since its start
	waited    time.Duration // of its descendants that have ended and were waited for
	rss, peak Reading       // bytes
	started   uint64        // distinguishes a process from a later one with the same PID
}

// add adds the counters of a descendant.
func (p *process) add(d process) {
	p.cpu += d.cpu + d.waited
	p.rss, p.peak = sum(p.rss, d.rss), sum(p.peak, d.peak)
}

// addDescendants adds those of all descendants, also of those that have ended. There are as many as
// the processes of the machine at most.
func (p *process) addDescendants(pid int) {
	p.cpu += p.waited
	seen := map[int]bool{pid: true}
	for next := childrenOf(pid); len(next) > 0; {
		child := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[child] {
			continue
		}
		seen[child] = true
		if d, err := readProcess(child); err == nil {
			p.add(d)
			next = append(next, childrenOf(child)...)
		}
	}
}

// sum adds two readings; one that is n/a, such as that of a process that is ending, is left out.
func sum(a, b Reading) Reading {
	x, ok := a.Get()
	y, has := b.Get()
	if !ok && !has {
		return Reading{}
	}
	return Of(x + y)
}

// machine is the CPU time since boot, in any unit.
type machine struct{ busy, irq, steal, total float64 }

// minInterval is the shortest interval for percentages, because the kernel counts CPU time in
// steps of 10 ms.
const minInterval = 100 * time.Millisecond

// usageBetween returns the usage between the counters a and b. The memory is that of b.
func usageBetween(a, b counters) Host {
	h := Host{At: b.at, RSSBytes: b.process.rss, PeakRSSBytes: b.process.peak}
	wall := b.at.Sub(a.at)
	if b.err != nil {
		h.Reason = b.err.Error()
	}
	if wall < minInterval {
		return h
	}
	if used := b.process.cpu - a.process.cpu; used >= 0 && a.err == nil && b.err == nil && a.process.started == b.process.started {
		h.CPUPercent = Of(100 * used.Seconds() / wall.Seconds())
	}
	if total := b.machine.total - a.machine.total; total > 0 && a.hasMachine && b.hasMachine {
		// iowait, and with it busy, may decrease: clamp to 0-100.
		share := func(v float64) Reading { return Of(min(max(100*v/total, 0), 100)) }
		h.BusyPercent = share(b.machine.busy - a.machine.busy)
		h.IRQPercent = share(b.machine.irq - a.machine.irq)
		h.StealPercent = share(b.machine.steal - a.machine.steal)
	}
	return h
}

// Sampler samples one process and its machine. Only one goroutine may use it.
type Sampler struct {
	pid  int
	tree bool // with its descendants
	last counters
}

// NewSampler returns a Sampler for a process. If the process cannot be read, samples have the
// reason.
func NewSampler(pid int) *Sampler { return &Sampler{pid: pid} }

// NewTreeSampler returns a Sampler for a process and its descendants. Their memory is added; what
// they share counts several times. The CPU time of a descendant counts also after its end.
func NewTreeSampler(pid int) *Sampler { return &Sampler{pid: pid, tree: true} }

// Sample reads the counters. Percentages are since the previous call; they are n/a in the
// first call and within 100 ms of the previous one.
func (s *Sampler) Sample() Host { return s.next(s.read(time.Now())) }

func (s *Sampler) next(c counters) Host {
	if s.last.at.IsZero() {
		s.last = c
	}
	h := usageBetween(s.last, c)
	if c.at.Sub(s.last.at) >= minInterval {
		s.last = c
	}
	return h
}

// read is safe for concurrent use.
func (s *Sampler) read(now time.Time) counters {
	c := counters{at: now}
	c.process, c.err = readProcess(s.pid)
	if s.tree && c.err == nil {
		c.process.addDescendants(s.pid)
	}
	var err error
	c.machine, err = readMachine()
	c.hasMachine = err == nil
	return c
}
