//go:build !unix

package local

import "syscall"

func ownProcessGroup() *syscall.SysProcAttr { return nil }
