package server

import (
	"os"
	"strconv"
	"syscall"
)

// lowerPriority raises the niceness of this process by n. On Linux a niceness
// belongs to a thread and is inherited from the thread that makes it, so every
// thread gets it, twice over in case one was made meanwhile. Failing is
// harmless: the process keeps its priority.
func lowerPriority(n int) {
	const idle, kernelBase = 19, 20 // getpriority(2) returns 20 - niceness
	now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	nice := min(kernelBase-now+n, idle)
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, t := range threads {
			if id, err := strconv.Atoi(t.Name()); err == nil {
				_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, nice)
			}
		}
	}
}
