//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// newSession starts a process in another session, so that neither Ctrl-C nor a hang-up of
// the terminal ends it.
func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func restorerIgnores() []os.Signal {
	return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTTOU}
}

// ignoreFileLimit makes a write beyond the limit of ulimit -f an error, as on a full disk. The signal of that limit would
// end the program in the middle of what it does, with a stack trace.
func ignoreFileLimit() { signal.Ignore(syscall.SIGXFSZ) }
