package local

import (
	"os"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	loadavg "github.com/shirou/gopsutil/v4/load"

	"sweetspot/engine/monitor"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// hostEvery is the time between two samples of the machine. The kernel's counters are too coarse for
// less.
const hostEvery = time.Second

// hostWatch samples the use of the machine by others while the screen shows it.
type hostWatch struct {
	mu               sync.Mutex
	pid              int // of the child that is sampled
	child, generator *monitor.Sampler
	last             time.Time
	host             sweep.Host
}

// Host returns the latest sample of the machine: what neither the child nor this process has used.
func (t *Target) Host() sweep.Host {
	t.mu.Lock()
	pid := 0
	if t.child != nil {
		pid = t.child.addresses.PID
	}
	t.mu.Unlock()
	h := &t.host
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case pid == 0:
		return sweep.Host{}
	case pid != h.pid:
		h.pid, h.child, h.generator = pid, monitor.NewTreeSampler(pid), monitor.NewSampler(os.Getpid())
		h.sample()
	case time.Since(h.last) >= hostEvery:
		h.sample()
	}
	return h.host
}

// sample reads the counters. The first sample has no use, which is between two samples.
func (h *hostWatch) sample() {
	h.last = time.Now()
	if h.host.Cores == 0 {
		h.host.Cores, _ = cpu.Counts(true) // 0 on an error
	}
	child, generator := h.child.Sample(), h.generator.Sample()
	foreign := foreignShare(child, generator, float64(max(h.host.Cores, 1)))
	h.host.Others = trial.NumOf(100 * foreign)
	h.host.Steal = numOf(generator.StealPercent)
	if avg, err := loadavg.Avg(); err == nil {
		h.host.Load = trial.NumOf(avg.Load1)
	}
}
