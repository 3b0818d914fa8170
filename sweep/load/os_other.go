//go:build !linux

package load

import "time"

// nap sleeps as well as the Go runtime does.
type nap struct{}

func newNap(time.Time) nap { return nap{} }

// until sleeps from now until the run is t old.
func (nap) until(t, now time.Duration) { time.Sleep(t - now) }

func (nap) end() {}

// writeOnce writes nothing: a goroutine writes it all.
func writeOnce(uintptr, []byte) int { return 0 }

// cpuTime is not known.
func cpuTime() time.Duration { return 0 }
