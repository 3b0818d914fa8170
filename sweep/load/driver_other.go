//go:build !linux

package load

import (
	"errors"
	"time"
)

// newDriver is not supported here: a pool sends the load.
func newDriver(*run, int) (func([]time.Duration), error) { return nil, errors.ErrUnsupported }
