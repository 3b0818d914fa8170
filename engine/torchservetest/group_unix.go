//go:build unix

package torchservetest

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the process a group of its own. The launcher leaves the server and its
// workers running when it is killed, so the group is.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) {
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
}
