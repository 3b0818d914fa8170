//go:build unix

package local

import "syscall"

// ownGroup keeps the terminal's Ctrl-C from the child: the parent decides when
// it ends.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
