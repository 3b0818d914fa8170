// Package monitor measures CPU and memory of a process and of the machine, and a GPU with
// NVML.
//
// A [Monitor] samples both twice a second while its Run runs. [Monitor.Latest] returns the
// latest sample for a screen. [Monitor.Begin] opens a [Window], whose End summarizes an
// interval such as a trial. [Limits] returns the cores and the memory that the container
// allows. [OpenGPU] never fails: without a usable GPU it returns one whose samples have only
// a reason.
//
// A figure that could not be read is a [Reading] without a value, never 0. The sampling rate
// is low on purpose, because the driver uses the same lock to start GPU work, and monitoring
// must not disturb latencies.
//
// Monitor is safe for concurrent use; only one goroutine may use a [Sampler] or a [GPU].
// Children of the monitored process are only counted if that is asked for, and only on Linux.
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
	staleAfter = 3 * time.Second // a GPU without a sample for so long is n/a
	closeLimit = 2 * time.Second // longest wait of Run for a driver call at its end
)

// Options configures a Monitor.
type Options struct {
	PID   int           // the process; 0 is this one
	Tree  bool          // its descendants are counted too
	GPU   GPU           // nil is no GPU; Run closes it
	Every time.Duration // interval of samples; 0 is 500 ms
}

// Snapshot has the latest samples.
type Snapshot struct {
	Host Host      `json:"host"`
	GPU  GPUSample `json:"gpu"`
}

// Monitor samples a process, its machine and a GPU.
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
		o.GPU = NoGPU("no GPU is monitored")
	}
	if o.Every <= 0 {
		o.Every = interval
	}
	s := NewSampler(o.PID)
	s.tree = o.Tree
	return &Monitor{every: o.Every, gpu: o.GPU, sampler: s, read: s.read, open: map[*Window]struct{}{}}
}

// Run samples until ctx ends, then closes the GPU. It returns an error only if a call of the
// GPU driver does not return: it cannot be cancelled, and after 2 s Run abandons its
// goroutine instead of blocking the program.
func (m *Monitor) Run(ctx context.Context) error {
	gpuDone := make(chan error, 1)
	go func() { gpuDone <- m.watchGPU(ctx) }()
	m.watchHost(ctx)
	select {
	case err := <-gpuDone:
		return err
	case <-time.After(closeLimit):
		return fmt.Errorf("monitor: the GPU driver did not answer within %v", closeLimit)
	}
}

func (m *Monitor) watchHost(ctx context.Context) {
	m.tick(ctx, func() {
		h := m.sampler.next(m.read(time.Now()))
		m.lastHost.Store(&h)
		m.forEachWindow(func(w *Window) { w.addHost(h) })
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
		m.forEachWindow(func(w *Window) { w.addGPU(g) })
	}
	if len(m.gpu.Devices()) == 0 {
		sample() // the reason does not change
		<-ctx.Done()
	} else {
		m.tick(ctx, sample)
	}
	return m.gpu.Close()
}

// tick calls f now and then at every interval until ctx ends.
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

func (m *Monitor) forEachWindow(f func(*Window)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.open {
		f(w)
	}
}

// Devices returns the GPUs of the machine; empty if none is usable.
func (m *Monitor) Devices() []Device { return m.gpu.Devices() }

// Latest returns the latest samples. The sample of a GPU that no longer answers stays for
// 3 s; then its figures are n/a.
func (m *Monitor) Latest() Snapshot {
	s := Snapshot{Host: Host{Reason: "not sampled yet"}, GPU: GPUSample{Reason: "not sampled yet"}}
	if h := m.lastHost.Load(); h != nil {
		s.Host = *h
	}
	if g := m.lastGPU.Load(); g != nil {
		s.GPU = *g
		if age := time.Since(g.At); age > staleAfter && len(m.gpu.Devices()) > 0 {
			s.GPU = GPUSample{At: g.At, UUID: g.UUID, Reason: fmt.Sprintf("no answer from the driver for %.0f s", age.Seconds())}
		}
	}
	return s
}
