//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownSession takes a process out of the terminal's reach: neither Ctrl-C nor a
// hang-up ends it, and it may restore a terminal that is no longer its own.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func keeperIgnores() []os.Signal {
	return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTTOU}
}
