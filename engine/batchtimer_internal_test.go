package engine

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/batching"
)

// The timer follows the clock of the runtime, which differs from the kernel's in a
// synctest bubble: the kernel's timer may only wake the runtime, never fire the timer.
func TestBatchTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var fired []time.Duration
		b := newBatchTimer(func() { fired = append(fired, time.Since(begin)) })
		sleep := func(until time.Duration) time.Duration {
			time.Sleep(until - time.Since(begin))
			synctest.Wait()
			return time.Since(begin)
		}
		const us, ms = time.Microsecond, time.Millisecond
		b.set(0, 200*us)
		b.set(0, 200*us) // the same again changes nothing
		now := sleep(300 * us)
		b.fired()
		b.set(now, now+50*ms)
		b.set(now, now+ms) // earlier
		now = sleep(5 * ms)
		b.fired()
		b.set(now, now+5*ms)
		b.set(now, batching.Never)
		now = sleep(20 * ms)
		b.set(now, now-ms) // has passed
		sleep(21 * ms)
		want := []time.Duration{200 * us, 1300 * us, 20 * ms}
		if !slices.Equal(fired, want) {
			t.Errorf("fired at %v, want %v", fired, want)
		}
		b.close()
	})
}

func TestBatchTimerFreesItsDescriptor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("short delays have no descriptor here")
	}
	open := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	b := newBatchTimer(func() {})
	before := open()
	for range 3 {
		b.set(0, time.Millisecond)
		b.set(0, 2*time.Millisecond)
	}
	if got := open(); got != before+1 {
		t.Errorf("%d descriptors while the timer is set, want %d", got, before+1)
	}
	b.close()
	b.set(0, time.Millisecond) // a late batch may set it after close
	b.close()
	if got := open(); got != before {
		t.Errorf("%d descriptors after close, want %d", got, before)
	}
}
