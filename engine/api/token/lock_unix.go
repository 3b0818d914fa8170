//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package token

import (
	"errors"
	"os"
	"syscall"
)

// flock locks a file if no other process has locked it. The kernel unlocks it when the process
// ends, however it ends.
func flock(f *os.File) (held bool, err error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a descriptor
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			return true, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}
