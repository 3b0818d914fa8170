package server

import "syscall"

// lowerPriority raises the niceness of this process by n. Failing is harmless:
// the process keeps its priority.
func lowerPriority(n int) {
	const idle = 20
	if now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(now+n, idle))
	}
}
