// Package cores assigns the cores of the machine to pinned workers. Allowed and SetAffinity work on
// Linux only.
package cores

import (
	"slices"
	"sync"
)

// Pins has the cores of pinned workers: with the option pin each has a group of as many cores as
// threads. The zero value has none. It is safe for concurrent use.
type Pins struct {
	mu      sync.Mutex
	threads map[int]int // pinned threads, by core
}

// coreGroup returns n neighbouring ones of the sorted cores: those with the fewest threads, and
// of equal groups the first.
func coreGroup(cores []int, threads map[int]int, n int) []int {
	var best []int
	least := 0
	for i := 0; i+n <= len(cores); i++ {
		sum := 0
		for _, c := range cores[i : i+n] {
			sum += threads[c]
		}
		if best == nil || sum < least {
			best, least = cores[i:i+n], sum
		}
	}
	return slices.Clone(best)
}

// Take reserves n of the cores, which are sorted: neighbouring ones with the fewest threads. It is nil if
// there are not so many.
func (p *Pins) Take(cores []int, n int) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	group := coreGroup(cores, p.threads, n)
	for _, c := range group {
		if p.threads == nil {
			p.threads = map[int]int{}
		}
		p.threads[c]++
	}
	return group
}

// Release returns what Take has returned.
func (p *Pins) Release(group []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range group {
		p.threads[c]--
	}
}

// Threads returns the number of pinned threads of a core.
func (p *Pins) Threads(core int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.threads[core]
}
