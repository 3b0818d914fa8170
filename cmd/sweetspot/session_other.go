//go:build !unix

package main

import (
	"os"
	"syscall"
)

func newSession() *syscall.SysProcAttr { return nil }

func restorerIgnores() []os.Signal { return []os.Signal{os.Interrupt} }

func ignoreFileLimit() {}
