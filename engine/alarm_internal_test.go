package engine

import (
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/batching"
)

// The alarm keeps to the runtime's clock, which in a bubble is not the kernel's:
// that one may only wake, never ring.
func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var rang []time.Duration
		a := newAlarm(func() { rang = append(rang, time.Since(begin)) })
		sleep := func(until time.Duration) time.Duration {
			time.Sleep(until - time.Since(begin))
			synctest.Wait()
			return time.Since(begin)
		}
		const us, ms = time.Microsecond, time.Millisecond
		a.set(0, 200*us)
		a.set(0, 200*us) // the same again changes nothing
		now := sleep(300 * us)
		a.rang()
		a.set(now, now+50*ms)
		a.set(now, now+ms) // earlier
		now = sleep(5 * ms)
		a.rang()
		a.set(now, now+5*ms)
		a.set(now, batching.Never)
		now = sleep(20 * ms)
		a.set(now, now-ms) // has passed
		sleep(21 * ms)
		want := []time.Duration{200 * us, 1300 * us, 20 * ms}
		if len(rang) != 3 || rang[0] != want[0] || rang[1] != want[1] || rang[2] != want[2] {
			t.Errorf("rang at %v, want %v", rang, want)
		}
		a.end()
	})
}

func TestAlarmFreesItsDescriptor(t *testing.T) {
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
	a := newAlarm(func() {})
	before := open()
	for range 3 {
		a.set(0, time.Millisecond)
		a.set(0, 2*time.Millisecond)
	}
	if got := open(); got != before+1 {
		t.Errorf("%d descriptors while it is set, want %d", got, before+1)
	}
	a.end()
	a.set(0, time.Millisecond) // as a batch may that comes too late
	a.end()
	if got := open(); got != before {
		t.Errorf("%d descriptors after the end, want %d", got, before)
	}
}
