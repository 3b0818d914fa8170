// Package monitor measures what serving costs: CPU and memory of a process and
// of the machine, and a GPU through NVML.
//
// A [Monitor] samples both twice a second while its Run runs. [Monitor.Latest]
// is the picture for a screen, [Monitor.Begin] opens a [Window] whose End sums
// up an interval such as a trial. [Limits] says how many cores and how much
// memory a container leaves this process. [OpenGPU] never fails: without a
// usable GPU it gives one whose samples say why there is nothing to read.
//
// What could not be read is a [Reading] without a value, never 0. Sampling is
// slow on purpose: the driver's lock is shared with work submission, and a tool
// that tunes latency may not disturb it.
//
// Monitor is safe for concurrent use; a [Sampler] and a [GPU] belong to one
// goroutine. Children of the watched process are not counted.
package monitor

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults and limits of a Monitor.
const (
	interval   = 500 * time.Millisecond
	lostAfter  = 3 * time.Second // a GPU that gave no sample for so long is lost
	closeLimit = 2 * time.Second // how long Run waits for a driver call at its end
)

// Options is what a Monitor watches.
type Options struct {
	PID   int           // the process; 0 is this one
	GPU   GPU           // nil is no GPU; Run closes it
	Every time.Duration // between samples; 0 is 500 ms, less only costs more
}

// Snapshot is the latest sample of everything.
type Snapshot struct {
	Host Host      `json:"host"`
	GPU  GPUSample `json:"gpu"`
}

// Monitor watches a process, its machine and a GPU.
type Monitor struct {
	every   time.Duration
	gpu     GPU
	sampler *Sampler
	read    func(time.Time) counters

	lastHost atomic.Pointer[Host]
	lastGPU  atomic.Pointer[GPUSample]

	mu   sync.Mutex
	open map[*Window]struct{} // windows between Begin and End
}

// New returns a Monitor. It samples nothing until Run.
func New(o Options) *Monitor {
	if o.PID == 0 {
		o.PID = os.Getpid()
	}
	if o.GPU == nil {
		o.GPU = NoGPU("no GPU watched")
	}
	if o.Every <= 0 {
		o.Every = interval
	}
	s := NewSampler(o.PID)
	return &Monitor{every: o.Every, gpu: o.GPU, sampler: s, read: s.read, open: map[*Window]struct{}{}}
}

// Run samples until ctx ends, then closes the GPU. It returns an error only when
// the GPU's driver does not let go: a call into it cannot be cancelled, and
// after 2 s Run leaves its goroutine behind rather than hang the program.
func (m *Monitor) Run(ctx context.Context) error {
	gone := make(chan error, 1)
	go func() { gone <- m.watchGPU(ctx) }()
	m.watchHost(ctx)
	select {
	case err := <-gone:
		return err
	case <-time.After(closeLimit):
		return fmt.Errorf("monitor: the GPU driver did not answer within %v", closeLimit)
	}
}

func (m *Monitor) watchHost(ctx context.Context) {
	m.tick(ctx, func() {
		h := m.sampler.next(m.read(time.Now()))
		m.lastHost.Store(&h)
		m.each(func(w *Window) { w.addHost(h) })
	})
}

func (m *Monitor) watchGPU(ctx context.Context) error {
	sample := func() {
		g, err := m.gpu.Sample(ctx)
		if err != nil {
			g = GPUSample{Reason: err.Error()}
		}
		g.At = time.Now()
		m.lastGPU.Store(&g)
		m.each(func(w *Window) { w.addGPU(g) })
	}
	if len(m.gpu.Devices()) == 0 {
		sample() // the reason will not change
		<-ctx.Done()
	} else {
		m.tick(ctx, sample)
	}
	return m.gpu.Close()
}

// tick calls f now and at every interval until ctx ends.
func (m *Monitor) tick(ctx context.Context, f func()) {
	t := time.NewTicker(m.every)
	defer t.Stop()
	for ctx.Err() == nil {
		f()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

func (m *Monitor) each(f func(*Window)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.open {
		f(w)
	}
}

// Devices lists the machine's GPUs; empty without a usable one.
func (m *Monitor) Devices() []Device { return m.gpu.Devices() }

// Latest is the newest sample. A GPU that stopped answering keeps its last
// sample, with its time, for 3 s and then reads n/a.
func (m *Monitor) Latest() Snapshot {
	s := Snapshot{Host: Host{Reason: "not sampled yet"}, GPU: GPUSample{Reason: "not sampled yet"}}
	if h := m.lastHost.Load(); h != nil {
		s.Host = *h
	}
	if g := m.lastGPU.Load(); g != nil {
		s.GPU = *g
		if age := time.Since(g.At); age > lostAfter && len(m.gpu.Devices()) > 0 {
			s.GPU = GPUSample{At: g.At, UUID: g.UUID, Reason: fmt.Sprintf("no answer from the driver for %.0f s", age.Seconds())}
		}
	}
	return s
}
