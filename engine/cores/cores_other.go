//go:build !linux

package cores

import (
	"errors"
	"runtime"
)

// Allowed returns an error on this system.
func Allowed() ([]int, error) {
	return nil, errors.New("threads can be pinned to cores on Linux only, not on " + runtime.GOOS)
}

// SetAffinity does nothing on this system.
func SetAffinity([]int) error { return nil } // never called, because there are no allowed cores
