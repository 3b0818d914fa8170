package server

import (
	"os"
	"strconv"
	"syscall"
)

// lowerPriority adds n to the niceness of this process. On Linux each thread has its own
// niceness and inherits it from the thread that creates it. So it sets all threads, twice,
// because a thread may be created meanwhile. Errors are ignored: the process then keeps its
// priority.
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
