package local

import (
	"math"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"sweetspot/engine/monitor"
	"sweetspot/sweep"
)

// Disturbances are measured twice a second, because the kernel's counters are too coarse for
// shorter blocks. The generator calls four times a second.
const (
	disturbanceBlock    = 400 * time.Millisecond
	minDisturbanceBlock = 100 * time.Millisecond
)

// disturbanceRecorder measures the use of the machine by other programs during a trial. Only one
// goroutine may use it.
type disturbanceRecorder struct {
	child, generator *monitor.Sampler
	cores            float64 // of the machine, which may be more than this process may use
	start            time.Time
	end              time.Duration // end of the last block
	blocks           []sweep.Disturbance
}

// newDisturbanceRecorder starts to measure. The CPU time of the child, of the workers that it has
// started, and of this process is not a disturbance.
func newDisturbanceRecorder(child int) *disturbanceRecorder {
	cores, err := cpu.Counts(true)
	if err != nil {
		cores = runtime.NumCPU()
	}
	n := &disturbanceRecorder{child: monitor.NewTreeSampler(child), generator: monitor.NewSampler(os.Getpid()), cores: float64(cores)}
	n.child.Sample()
	n.generator.Sample()
	return n
}

// block ends a block if it is long enough.
func (n *disturbanceRecorder) block(elapsed time.Duration) {
	if n.start.IsZero() {
		n.start = time.Now().Add(-elapsed)
	}
	if elapsed-n.end >= disturbanceBlock {
		n.sample(elapsed)
	}
}

// finish ends the last block and returns all blocks.
func (n *disturbanceRecorder) finish() []sweep.Disturbance {
	if elapsed := time.Since(n.start); !n.start.IsZero() && elapsed-n.end >= minDisturbanceBlock {
		n.sample(elapsed)
	}
	return n.blocks
}

// sample appends a block that ends at elapsed.
func (n *disturbanceRecorder) sample(elapsed time.Duration) {
	child, generator := n.child.Sample(), n.generator.Sample()
	n.blocks = append(n.blocks, sweep.Disturbance{
		From: n.end, To: elapsed, Steal: share(generator.StealPercent), Foreign: foreignShare(child, generator, n.cores),
	})
	n.end = elapsed
}

// foreignShare returns the use of the machine by processes other than the child and the generator, as a
// share of all cores; NaN if it is not available.
func foreignShare(child, generator monitor.Host, cores float64) float64 {
	ours := share(child.CPUPercent) + share(generator.CPUPercent)
	// The kernel's time for interrupts belongs to no process, and is mostly for our packets.
	processes := share(generator.BusyPercent) - share(generator.IRQPercent)
	return max(processes-ours/cores, 0) // the counters of processes and of the machine are not updated at the same time
}

// share converts a percentage to a share; NaN if it is not available.
func share(r monitor.Reading) float64 {
	if v, ok := r.Get(); ok {
		return v / 100
	}
	return math.NaN()
}
