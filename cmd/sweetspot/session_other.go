//go:build !unix

package main

import (
	"os"
	"syscall"
)

func ownSession() *syscall.SysProcAttr { return nil }

func keeperIgnores() []os.Signal { return []os.Signal{os.Interrupt} }
