//go:build !linux

package simulated

import "time"

// sleepThread sleeps as exactly as the Go runtime does.
func sleepThread(until time.Time) { time.Sleep(time.Until(until)) }
