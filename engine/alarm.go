package engine

import (
	"time"

	"sweetspot/engine/batching"
)

// rough is the shortest wait that may end a millisecond late: a tenth of itself.
const rough = 10 * time.Millisecond

// alarm calls a function at the end of a batch's delay. It is a time.Timer, which
// in a busy process is late by microseconds, but in an idle one by up to a
// millisecond: the runtime then sleeps in its network poller, which counts in
// whole milliseconds. Short waits are ended by the clock of the kernel instead.
// It is guarded by Served.mu.
type alarm struct {
	timer *time.Timer
	clock kernelClock
	at    time.Duration // what it is set to, or Never
}

func newAlarm(f func()) alarm {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return alarm{timer: t, at: batching.Never}
}

// set moves the alarm to at, which may be Never.
func (a *alarm) set(now, at time.Duration) {
	if at == a.at {
		return
	}
	a.at = at
	if at == batching.Never {
		a.timer.Stop() // the kernel's clock may still wake the runtime, for nothing
		return
	}
	wait := max(0, at-now)
	a.timer.Reset(wait)
	if wait > 0 && wait < rough {
		a.clock.wakeIn(wait)
	}
}

// rang notes that the time it was set to has come.
func (a *alarm) rang() { a.at = batching.Never }

// end frees the alarm, which may ring once more.
func (a *alarm) end() {
	a.timer.Stop()
	a.clock.close()
}
