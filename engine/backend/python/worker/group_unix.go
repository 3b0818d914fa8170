//go:build unix

package worker

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"sweetspot/engine/cores"
)

// run starts the program on a thread of its own and waits for its end. The thread has the cores of
// the worker, which inherits them, and on Linux the system kills the worker when the thread ends:
// it therefore ends last, and is never unlocked.
func (g *group) run(cmd *exec.Cmd, pinned []int, started chan<- error) {
	runtime.LockOSThread()
	if pinned != nil {
		if err := cores.SetAffinity(pinned); err != nil {
			started <- fmt.Errorf("pin the worker to the cores %v: %w", pinned, err)
			return
		}
	}
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	g.pid = cmd.Process.Pid
	started <- nil
	g.wait(cmd)
}

// killGroup kills a process group.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // it may have ended

// endText says how a process has ended.
func endText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return fmt.Sprintf("killed by signal %d, %s", int(s.Signal()), s.Signal())
		}
	}
	return err.Error()
}
