//go:build !linux

package engine

import "time"

// kernelTimer does nothing here: short delays end as exactly as the runtime's timers.
type kernelTimer struct{}

func (*kernelTimer) wakeAfter(time.Duration) {}
func (*kernelTimer) close()                  {}
