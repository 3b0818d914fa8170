package load

import (
	"math"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nap puts the calling thread to sleep to the microsecond: absolute times on
// the monotonic clock, and no slack for the kernel to collect timers in.
//
// The Go runtime is not told of the sleep where it has another processor for the
// rest of the program: it would take this one away 20 us later and look for work
// that often from then on, which costs more than everything else that a request
// does. It gets the thread back for a garbage collection, which interrupts it.
type nap struct {
	base  int64 // the run's start on CLOCK_MONOTONIC, ns
	quiet bool
}

// newNap prepares the calling thread, which has to be locked.
func newNap(start time.Time) nap {
	base, err := clockAt(start)
	if err != nil {
		return nap{}
	}
	// Where it is refused, naps are some 50 us longer.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return nap{base, runtime.GOMAXPROCS(0) > 1}
}

// clockAt is the time on CLOCK_MONOTONIC when start was, in ns. Naps by a clock
// that is off end early or late for the whole run, so that it is the best of some
// readings: the one that was interrupted least.
func clockAt(start time.Time) (base int64, err error) {
	const readings = 10
	least := time.Duration(math.MaxInt64)
	for range readings {
		var clock unix.Timespec
		before := time.Since(start)
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
			return 0, err
		}
		if took := time.Since(start) - before; took < least {
			least, base = took, clock.Nano()-int64(before+took/2)
		}
	}
	return base, nil
}

// until sleeps until the run is t old, or less when a signal comes.
func (n nap) until(t, _ time.Duration) {
	ts := unix.NsecToTimespec(n.base + int64(t))
	if !n.quiet {
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		return
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
		uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}

// end gives the thread back as it was.
func (n nap) end() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }

// writeOnce writes what the socket takes at once.
func writeOnce(fd uintptr, data []byte) int {
	n, err := unix.Write(int(fd), data)
	if err != nil {
		if err == unix.EAGAIN || err == unix.EINTR {
			return 0
		}
		return len(data) // the reader sees the broken connection
	}
	return n
}

// cpuTime is the processor time of this process; 0 is not known.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
