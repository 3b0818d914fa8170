//go:build !linux && unix

package process

import "syscall"

// adoptOrphans does nothing: this system has no way to adopt the processes of others.
func adoptOrphans() {}

// serverAttributes puts the server into a process group of its own.
func serverAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killRest kills what is left of the process group of the server.
func killRest(group int) { signalGroup(group, syscall.SIGKILL) }
