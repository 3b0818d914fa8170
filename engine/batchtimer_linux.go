package engine

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kernelTimer wakes the runtime from its sleep in the network poller, exact to a
// microsecond: it is a timer descriptor that the poller watches. Nothing reads the
// descriptor, because a runtime that wakes up runs its own timers first. If that ever
// changes, timers are only as late as without it. The first wakeAfter opens the
// descriptor.
type kernelTimer struct {
	file *os.File
	fd   int
	off  bool // the system has none, or it is closed
}

// wakeAfter wakes the runtime after d, which is above 0. It replaces the last call.
func (k *kernelTimer) wakeAfter(d time.Duration) {
	if k.file == nil && !k.open() {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	_ = unix.TimerfdSettime(k.fd, 0, &spec, nil) // fails only on another kind of descriptor
}

func (k *kernelTimer) open() bool {
	if k.off {
		return false
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		k.off = true
		return false
	}
	k.fd, k.file = fd, os.NewFile(uintptr(fd), "timer") // adds it to the poller
	return true
}

func (k *kernelTimer) close() {
	k.off = true
	if k.file != nil {
		_ = k.file.Close() // nothing was written
		k.file = nil
	}
}
