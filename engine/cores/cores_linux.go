package cores

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Allowed returns the cores on which this process may run, sorted. It reads them once, before
// the first thread is pinned: any thread may be one that is pinned later.
func Allowed() ([]int, error) { return allowed() }

var allowed = sync.OnceValues(func() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return nil, fmt.Errorf("the cores of this process are not known: %w", err)
	}
	var out []int
	for c := range len(set) * 64 {
		if set.IsSet(c) {
			out = append(out, c)
		}
	}
	return out, nil
})

// SetAffinity pins the calling thread.
func SetAffinity(cores []int) error {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	return unix.SchedSetaffinity(0, &set)
}
