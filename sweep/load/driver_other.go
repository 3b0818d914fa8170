//go:build !linux

package load

import (
	"errors"
	"time"
)

// newDriver has nothing to offer: a pool sends the load.
func newDriver(*run, int) (func([]time.Duration), error) { return nil, errors.ErrUnsupported }
