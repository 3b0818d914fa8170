//go:build unix

package main

import (
	"os"
	"syscall"
)

// newSession starts a process in another session, so that neither Ctrl-C nor a hang-up of
// the terminal ends it.
func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func restorerIgnores() []os.Signal {
	return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTTOU}
}
