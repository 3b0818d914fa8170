package python

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"sweetspot/engine/backend/python/protocol"
)

// gpus counts the workers on each GPU. The zero value has none.
type gpus struct {
	mu      sync.Mutex
	workers map[int]int // by GPU
}

// take returns the GPU for a worker on a device: that of gpu:N, for gpu the one with the fewest
// workers, and for cpu none. n is the number of GPUs.
func (g *gpus) take(device string, n int) (int, error) {
	class, index, chosen := strings.Cut(device, ":")
	switch {
	case class == "cpu" || class == "":
		return protocol.NoGPU, nil
	case class != "gpu":
		return 0, fmt.Errorf("device: %q; want cpu, gpu or gpu:N", device)
	case n == 0:
		return 0, fmt.Errorf("device: torch sees no GPU on this machine; use cpu")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	best := 0
	if chosen {
		k, err := strconv.Atoi(index)
		if err != nil || k < 0 || k >= n {
			return 0, fmt.Errorf("device: %q; torch sees the GPUs gpu:0 to gpu:%d", device, n-1)
		}
		best = k
	} else {
		for k := range n {
			if g.workers[k] < g.workers[best] {
				best = k
			}
		}
	}
	if g.workers == nil {
		g.workers = map[int]int{}
	}
	g.workers[best]++
	return best, nil
}

// release returns what take has returned.
func (g *gpus) release(gpu int) {
	if gpu == protocol.NoGPU {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.workers[gpu]--
}
