package server

import "syscall"

// lowerPriority adds n to the niceness of this process. Errors are ignored: the process
// then keeps its priority.
func lowerPriority(n int) {
	const idle = 20
	if now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(now+n, idle))
	}
}
