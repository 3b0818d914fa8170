package simulated

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// nap blocks the thread until the given time, to some 10-50 us: without slack,
// by which the kernel collects timers, and on the monotonic clock.
func nap(until time.Time) {
	left := time.Until(until)
	if left <= 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Where it is refused, naps are some 50 us longer.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	for ; left > 0; left = time.Until(until) { // again after a signal
		ts := unix.NsecToTimespec(int64(left))
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil)
	}
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
}
