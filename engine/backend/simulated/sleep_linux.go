package simulated

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// sleepThread blocks the thread until the given time, 10-50 us late at most. It sets the
// timer slack to the minimum, because the kernel may delay timers by the slack.
func sleepThread(until time.Time) {
	left := time.Until(until)
	if left <= 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// If the kernel refuses it, sleeps end about 50 us later.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	for ; left > 0; left = time.Until(until) { // repeat after a signal
		ts := unix.NsecToTimespec(int64(left))
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil)
	}
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
}
