//go:build unix

package process

import "syscall"

// ownGroup prevents the terminal from sending Ctrl-C to the supervisor: the parent decides when it
// ends.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to a process group.
func signalGroup(group int, s syscall.Signal) { _ = syscall.Kill(-group, s) }
