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
	noiseBlock = 400 * time.Millisecond
	noiseLeast = 100 * time.Millisecond
)

// disturbanceRecorder measures the use of the machine by other programs during a trial. Only one
// goroutine may use it.
type noise struct {
	child, own *monitor.Sampler
	cores      float64 // of the machine, which may be more than this process may use
	start      time.Time
	at         time.Duration // end of the last block
	blocks     []sweep.Disturbance
}

// newDisturbanceRecorder starts to measure. The CPU time of the child and of this process is not a
// disturbance.
func watchNoise(child int) *noise {
	cores, err := cpu.Counts(true)
	if err != nil {
		cores = runtime.NumCPU()
	}
	n := &noise{child: monitor.NewSampler(child), own: monitor.NewSampler(os.Getpid()), cores: float64(cores)}
	n.child.Sample()
	n.own.Sample()
	return n
}

// block ends a block if it is long enough.
func (n *noise) note(elapsed time.Duration) {
	if n.start.IsZero() {
		n.start = time.Now().Add(-elapsed)
	}
	if elapsed-n.at >= noiseBlock {
		n.sample(elapsed)
	}
}

// finish ends the last block and returns all blocks.
func (n *noise) end() []sweep.Disturbance {
	if elapsed := time.Since(n.start); !n.start.IsZero() && elapsed-n.at >= noiseLeast {
		n.sample(elapsed)
	}
	return n.blocks
}

// sample appends a block that ends at elapsed.
func (n *noise) sample(elapsed time.Duration) {
	child, own := n.child.Sample(), n.own.Sample()
	ours := share(child.CPUPercent) + share(own.CPUPercent)
	// The kernel's time for interrupts belongs to no process, and is mostly for our packets.
	processes := share(own.BusyPercent) - share(own.IRQPercent)
	n.blocks = append(n.blocks, sweep.Disturbance{
		From: n.at, To: elapsed, Steal: share(own.StealPercent),
		Foreign: max(processes-ours/n.cores, 0), // the counters of processes and of the machine are not updated at the same time
	})
	n.at = elapsed
}

// share converts a percentage to a share; NaN if it is not available.
func share(r monitor.Reading) float64 {
	if v, ok := r.Get(); ok {
		return v / 100
	}
	return math.NaN()
}
