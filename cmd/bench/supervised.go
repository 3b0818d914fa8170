package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sweetspot/sweep/target/process"
)

// superviseCommand runs this program as the supervisor of a server of others. Its arguments are a
// folder, which it removes at the end, and the command line of the server.
const superviseCommand = "supervise"

// runSupervisor is the process of the supervisor.
func runSupervisor(ctx context.Context, args []string, stdin io.Reader, _ io.Writer) error {
	return process.Supervise(ctx, stdin, os.NewFile(handshakeFD, "reports"), args)
}

// supervised is a server of others with its supervisor, which ends it with all its processes.
type supervised struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   string        // file with its output
	done  chan struct{} // closed after the end of both
}

// startSupervised starts argv in a supervisor. dir is its working folder, which gets a file with its
// output: a pipe to this process would cost time on both sides.
func startSupervised(e *env, dir string, argv, environ []string) (*supervised, error) {
	folder, err := os.MkdirTemp("", "sweetspot-bench-")
	if err != nil {
		return nil, err
	}
	s := &supervised{log: filepath.Join(dir, "output.log"), done: make(chan struct{})}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	defer log.Close()
	// The supervisor reports to a file descriptor; nobody reads it here.
	reports, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	defer reports.Close()
	words := slices.Concat([]string{superviseCommand, folder}, argv)
	s.cmd = exec.Command(e.self, words...) // not CommandContext, which would kill the supervisor
	s.cmd.Dir, s.cmd.Env, s.cmd.ExtraFiles, s.cmd.Stdout, s.cmd.Stderr = dir, environ, []*os.File{reports}, log, log
	if s.stdin, err = s.cmd.StdinPipe(); err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	go func() {
		_ = s.cmd.Wait() // its output explains more
		close(s.done)
	}()
	return s, nil
}

// pid is the process whose descendants are the server.
func (s *supervised) pid() int { return s.cmd.Process.Pid }

// stop ends the server and all its processes. It returns after their end.
func (s *supervised) stop() {
	_ = s.stdin.Close() // already closed if it has ended
	<-s.done
}

// wait calls ready every pause until it returns nil. It returns an error after limit, or if the server ends.
func (s *supervised) wait(ctx context.Context, pause, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %v", limit))
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server has ended; its output ends with: %s", s.lastOutput())
		case <-ctx.Done():
			return fmt.Errorf("%w: %w; its output ends with: %s", context.Cause(ctx), err, s.lastOutput())
		case <-time.After(pause):
		}
	}
}

// lastOutput returns the end of the output, in one line.
func (s *supervised) lastOutput() string {
	const most = 1000
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(text[max(0, len(text)-most):])), " ")
}
