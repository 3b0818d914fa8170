package engine

import (
	"time"

	"sweetspot/engine/batching"
)

// exactBelow bounds the waits that need the kernel's timer: a time.Timer may be up to
// a millisecond late, which is a tenth of it.
const exactBelow = 10 * time.Millisecond

// batchTimer calls a function at the end of a batch's delay. It is a time.Timer. In a
// busy process that timer is late by microseconds, in an idle one by up to a
// millisecond, because the runtime then sleeps in its network poller, which counts
// whole milliseconds. A timer of the kernel therefore wakes the runtime for short
// waits. ModelService.mu guards a batchTimer.
type batchTimer struct {
	timer  *time.Timer
	kernel kernelTimer
	at     time.Duration // when it fires, or Never
}

func newBatchTimer(f func()) batchTimer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return batchTimer{timer: t, at: batching.Never}
}

// set makes the timer fire at the time at, which may be Never.
func (b *batchTimer) set(now, at time.Duration) {
	if at == b.at {
		return
	}
	b.at = at
	if at == batching.Never {
		b.timer.Stop() // the kernel's timer may still wake the runtime, which is harmless
		return
	}
	wait := max(0, at-now)
	b.timer.Reset(wait)
	if wait > 0 && wait < exactBelow {
		b.kernel.wakeAfter(wait)
	}
}

// fired records that the timer has fired.
func (b *batchTimer) fired() { b.at = batching.Never }

// close frees the timer, which may fire once more.
func (b *batchTimer) close() {
	b.timer.Stop()
	b.kernel.close()
}
