//go:build unix && !linux

package worker

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// waitEnd is false: this system cannot wait for a process and leave it to be waited for.
func waitEnd(int) bool { return false }
