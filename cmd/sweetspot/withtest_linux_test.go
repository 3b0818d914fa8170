package main

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// startWithTest starts a server that the kernel kills if the process of the tests ends without its cleanups, as by
// SIGKILL or by its time limit.
func startWithTest(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	t.Cleanup(func() { close(ended) }) // the last cleanup: the server has ended
	go func() {
		runtime.LockOSThread() // the kernel ends the server with the thread that started it
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		<-ended
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
}
