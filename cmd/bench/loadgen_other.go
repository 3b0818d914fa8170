//go:build !linux

package main

import (
	"errors"
	"time"
)

// onOneCore runs start. The process it starts may use all cores; the detail of its
// figure has their number.
func onOneCore(start func() error) error { return start() }

// run is not possible: it needs the clock and the times of arrival of Linux.
func (bareLoad) run(time.Duration) (bareResult, error) { return bareResult{}, errors.ErrUnsupported }
