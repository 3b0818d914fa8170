//go:build !linux

package simulated

import "time"

// nap sleeps as well as the Go runtime does.
func nap(until time.Time) { time.Sleep(time.Until(until)) }
