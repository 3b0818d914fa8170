//go:build !linux

package engine

import "time"

// kernelClock is nothing here: short delays end when the runtime's timers do.
type kernelClock struct{}

func (*kernelClock) wakeIn(time.Duration) {}
func (*kernelClock) close()               {}
