//go:build !linux

package load

import "time"

// sleeper sleeps as exactly as the Go runtime.
type sleeper struct{}

func newSleeper(time.Time) sleeper { return sleeper{} }

// sleepUntil sleeps from now until the elapsed time is t.
func (sleeper) sleepUntil(t, now time.Duration) { time.Sleep(t - now) }

func (sleeper) end() {}

// writeOnce writes nothing: a goroutine writes all bytes.
func writeOnce(uintptr, []byte) int { return 0 }

// cpuTime is unknown here.
func cpuTime() time.Duration { return 0 }
