package process

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Supervise is the process between this program and a server. args are a folder and the command line
// of the server. It starts the server in a process group of its own, and reports to the file. When in or ctx ends, it
// ends the server; when the server has ended, it kills what is left of its processes, removes the
// folder, and returns.
func Supervise(ctx context.Context, in io.Reader, to io.Writer, args []string) error {
	if len(args) < 2 {
		return errors.New("want a folder and a command")
	}
	folder, argv := args[0], args[1:]
	defer os.RemoveAll(folder) //nolint:errcheck // there is nobody to tell
	reports := json.NewEncoder(to)
	adoptOrphans()
	runtime.LockOSThread() // the kernel ends the server with the thread that started it
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, serverAttributes()
	if err := cmd.Start(); err != nil {
		return reports.Encode(report{Error: err.Error()})
	}
	_ = reports.Encode(report{PID: cmd.Process.Pid}) // if the parent has ended, so has in
	parent := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in) // it ends with the parent
		close(parent)
	}()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-parent:
		err = endServer(cmd, ended)
	case <-ctx.Done():
		err = endServer(cmd, ended)
	}
	killRest(cmd.Process.Pid)
	_ = reports.Encode(report{Ended: endText(err)}) // the parent may have ended
	return nil
}

// endServer asks the server to end, and kills it after the grace time. It returns how it ended.
func endServer(cmd *exec.Cmd, ended <-chan error) error {
	signalGroup(cmd.Process.Pid, syscall.SIGTERM)
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
	}
	signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	return <-ended
}

// endText says how a process has ended.
func endText(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return s.Signal().String()
		}
	}
	if err != nil {
		return err.Error()
	}
	return "exit status 0"
}
