//go:build unix

package local

import "syscall"

// ownProcessGroup prevents the terminal from sending Ctrl-C to the child: the parent decides when
// the child ends.
func ownProcessGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
