//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package archive

import (
	"errors"
	"os"
)

// flock gives every shared lock, and no exclusive one: then no folder is removed that another process may
// use.
func flock(_ *os.File, exclusive bool) error {
	if exclusive {
		return errors.ErrUnsupported
	}
	return nil
}
