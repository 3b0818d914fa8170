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

// What the others take is looked at twice a second: less is below what the
// kernel's counters resolve. The generator asks four times a second.
const (
	noiseBlock = 400 * time.Millisecond
	noiseLeast = 100 * time.Millisecond
)

// noise notes what others take of the machine while a trial runs. It belongs to
// one goroutine.
type noise struct {
	child, own *monitor.Sampler
	cores      float64 // the machine's, which may be more than this process has
	start      time.Time
	at         time.Duration // the end of the last block
	blocks     []sweep.Disturbance
}

// watchNoise begins to watch; CPU time of the child and of this process is not
// the others'.
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

// note ends a block if the run has become old enough for another.
func (n *noise) note(elapsed time.Duration) {
	if n.start.IsZero() {
		n.start = time.Now().Add(-elapsed)
	}
	if elapsed-n.at >= noiseBlock {
		n.sample(elapsed)
	}
}

// end ends the last block with the run and returns all.
func (n *noise) end() []sweep.Disturbance {
	if elapsed := time.Since(n.start); !n.start.IsZero() && elapsed-n.at >= noiseLeast {
		n.sample(elapsed)
	}
	return n.blocks
}

func (n *noise) sample(elapsed time.Duration) {
	child, own := n.child.Sample(), n.own.Sample()
	ours := share(child.CPUPercent) + share(own.CPUPercent)
	// What the kernel does for packets is nobody's in its books, and mostly ours.
	processes := share(own.BusyPercent) - share(own.IRQPercent)
	n.blocks = append(n.blocks, sweep.Disturbance{
		From: n.at, To: elapsed, Steal: share(own.StealPercent),
		Foreign: max(processes-ours/n.cores, 0), // the counters of a process and of the machine tick apart
	})
	n.at = elapsed
}

// share is a percentage as a share; NaN for n/a.
func share(r monitor.Reading) float64 {
	if v, ok := r.Get(); ok {
		return v / 100
	}
	return math.NaN()
}
