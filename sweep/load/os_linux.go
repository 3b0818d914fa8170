package load

import (
	"math"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sleeper puts the calling thread to sleep, exact to microseconds: it uses absolute times on
// the monotonic clock and the minimal timer slack of the kernel.
//
// If the Go runtime has another processor (P) for the rest of the program, the sleep is a raw
// system call that the runtime does not see. Otherwise the runtime would take the P away after
// 20 us and search for work from then on, which costs more than the rest of a request. A garbage
// collection interrupts the sleep.
type sleeper struct {
	base        int64 // start of the run on CLOCK_MONOTONIC, ns
	rawSyscalls bool
}

// newSleeper prepares the calling thread, which has to be locked.
func newSleeper(start time.Time) sleeper {
	base, err := clockAt(start)
	if err != nil {
		return sleeper{}
	}
	// If the kernel refuses it, sleeps end about 50 us later.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return sleeper{base, runtime.GOMAXPROCS(0) > 1}
}

// clockAt returns the time of start on CLOCK_MONOTONIC in ns. An error here would shift all
// sleeps of the run, so it uses the best of several readings: the one with the shortest
// interruption.
func clockAt(start time.Time) (base int64, err error) {
	const readings = 10
	shortest := time.Duration(math.MaxInt64)
	for range readings {
		var clock unix.Timespec
		before := time.Since(start)
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
			return 0, err
		}
		if took := time.Since(start) - before; took < shortest {
			shortest, base = took, clock.Nano()-int64(before+took/2)
		}
	}
	return base, nil
}

// sleepUntil sleeps until the elapsed time is t, or until a signal.
func (n sleeper) sleepUntil(t, _ time.Duration) {
	ts := unix.NsecToTimespec(n.base + int64(t))
	if !n.rawSyscalls {
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		return
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
		uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}

// end restores the thread.
func (n sleeper) end() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }

// writeOnce writes as much as the socket accepts at once.
func writeOnce(fd uintptr, data []byte) int {
	n, err := unix.Write(int(fd), data)
	if err != nil {
		if err == unix.EAGAIN || err == unix.EINTR {
			return 0
		}
		return len(data) // the reader gets the error too
	}
	return n
}

// cpuTime returns the processor time of this process; 0 is unknown.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
