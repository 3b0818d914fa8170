//go:build !unix

package process

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr         { return nil }
func serverAttributes() *syscall.SysProcAttr { return nil }
func adoptOrphans()                          {}
func killRest(int)                           {}

// signalGroup ends the process: this system has no process groups.
func signalGroup(pid int, _ syscall.Signal) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}
