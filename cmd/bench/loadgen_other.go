//go:build !linux

package main

import (
	"errors"
	"time"
)

// onOneCore runs start. The process it starts may use all cores; the detail of its
// figure has their number.
func onOneCore(start func() error) error { return start() }

// bareCost is not possible: it needs the clock and the times of arrival of Linux.
func bareCost(string, int, time.Duration) (us, p50 float64, err error) {
	return 0, 0, errors.ErrUnsupported
}
