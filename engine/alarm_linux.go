package engine

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kernelClock wakes the runtime from its sleep in the network poller to the
// microsecond, by a timer among the descriptors that are polled. Nobody reads
// it: a runtime that wakes up looks at its timers first. Should that ever change,
// timers are as late as they are without it. It has a descriptor once it has
// been used.
type kernelClock struct {
	file *os.File
	fd   int
	off  bool // there is none to be had, or it is closed
}

// wakeIn wakes the runtime after d, above 0, instead of when it said before.
func (k *kernelClock) wakeIn(d time.Duration) {
	if k.file == nil && !k.open() {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	_ = unix.TimerfdSettime(k.fd, 0, &spec, nil) // fails only on what is no timer
}

func (k *kernelClock) open() bool {
	if k.off {
		return false
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		k.off = true
		return false
	}
	k.fd, k.file = fd, os.NewFile(uintptr(fd), "timer") // puts it among the polled
	return true
}

func (k *kernelClock) close() {
	k.off = true
	if k.file != nil {
		_ = k.file.Close() // nothing was written to it
		k.file = nil
	}
}
