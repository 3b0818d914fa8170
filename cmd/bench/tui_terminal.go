package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"

	"sweetspot/tui/tuitest"
)

// terminal is a pseudo terminal with an emulator that reads it.
type terminal struct {
	tty, slave *os.File
	done       chan struct{} // closed when nothing is read any more

	mu      sync.Mutex // guards everything below
	vt      *tuitest.Emulator
	waiting string    // a text that the screen does not have yet
	shown   time.Time // when it did, or zero
}

func openTerminal(w, h int) (*terminal, error) {
	tty, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	t := &terminal{tty: tty, slave: slave, vt: tuitest.NewEmulator(w, h), done: make(chan struct{})}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)}); err != nil {
		return nil, errors.Join(err, tty.Close(), slave.Close())
	}
	go t.read()
	return t, nil
}

func (t *terminal) read() {
	defer close(t.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := t.tty.Read(buf)
		at := time.Now()
		t.mu.Lock()
		_, _ = t.vt.Write(buf[:n]) // it returns no error
		if t.waiting != "" && t.shown.IsZero() && strings.Contains(t.vt.String(), t.waiting) {
			t.shown = at
		}
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (t *terminal) close() {
	_ = t.slave.Close() // the reader ends in any case
	// Wakes a reader of the program that still waits for keys: until it returns, the slave is not
	// really closed, and the reader of the master would wait for ever.
	_, _ = t.tty.WriteString("\r")
	_ = t.tty.Close()
	<-t.done
}

// expect begins to look for a text that is not on the screen yet.
func (t *terminal) expect(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting, t.shown = text, time.Time{}
	if strings.Contains(t.vt.String(), text) {
		t.shown = time.Now()
	}
}

// screenTime is how long the screen may take for anything.
const screenTime = 20 * time.Second

// wait returns when the expected text was shown.
func (t *terminal) wait(ctx context.Context) (time.Time, error) {
	for deadline := time.Now().Add(screenTime); ; time.Sleep(time.Millisecond) {
		t.mu.Lock()
		at, text, all := t.shown, t.waiting, t.vt.String()
		t.mu.Unlock()
		switch {
		case !at.IsZero():
			return at, nil
		case ctx.Err() != nil:
			return at, context.Cause(ctx)
		case time.Now().After(deadline):
			return at, fmt.Errorf("%q is not on the screen after %v:\n%s", text, screenTime, all)
		}
	}
}

// press sends a key and returns how long the screen took to show the text.
func (t *terminal) press(ctx context.Context, key, text string) (time.Duration, error) {
	t.expect(text)
	start := time.Now()
	if _, err := t.tty.WriteString(key); err != nil {
		return 0, err
	}
	at, err := t.wait(ctx)
	return at.Sub(start), err
}

// program is the real program, with a simulated model for it.
type program struct {
	path  string
	model string
	home  string
}

// fiveMS is a model with batches of 5 ms on the CPU.
const fiveMS = "workers,device,precision,batch,ms,spread,source\n1,cpu,fp32,1,5,,\n1,cpu,fp32,8,12,,\n"

// findProgram returns the program beside this one, or builds it in dir.
func findProgram(ctx context.Context, dir string) (program, error) {
	p := program{path: filepath.Join(dir, "sweetspot"), model: filepath.Join(dir, "five-ms.csv"), home: dir}
	if err := os.WriteFile(p.model, []byte(fiveMS), 0o600); err != nil {
		return p, err
	}
	p.model = "sim:" + p.model
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "sweetspot")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			p.path = beside
			return p, nil
		}
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", p.path, "sweetspot/cmd/sweetspot").CombinedOutput(); err != nil {
		return p, fmt.Errorf("the program is not beside this one and cannot be built: %w\n%s", err, out)
	}
	return p, nil
}

// withProgram calls measure with the program, whose home is removed afterwards.
func withProgram(ctx context.Context, measure func(program) error) error {
	dir, err := os.MkdirTemp("", "bench-program-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := findProgram(ctx, dir)
	if err != nil {
		return err
	}
	return measure(p)
}

// environment is that of a program with a home of its own.
func (p program) environment() []string {
	return append(os.Environ(), "TERM=xterm-256color", "HOME="+p.home, "XDG_DATA_HOME="+p.home+"/data", "XDG_STATE_HOME="+p.home+"/state")
}

// start runs the program on a terminal. stop ends it.
func (p program) start(w, h int, args ...string) (t *terminal, stop func(), err error) {
	t, _, stop, err = p.startProcess(w, h, args...)
	return t, stop, err
}

// startProcess is start, and returns the number of the process too.
func (p program) startProcess(w, h int, args ...string) (t *terminal, pid int, stop func(), err error) {
	if t, err = openTerminal(w, h); err != nil {
		return nil, 0, nil, err
	}
	cmd := exec.Command(p.path, append([]string{p.model}, args...)...)
	cmd.Dir = p.home
	cmd.Env = p.environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.slave, t.slave, t.slave
	setTerminal(cmd)
	t.expect("[1 Live]")
	if err := cmd.Start(); err != nil {
		t.close()
		return nil, 0, nil, err
	}
	return t, cmd.Process.Pid, func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		kill := time.AfterFunc(stopTime, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it ends with the code of an interrupt
		kill.Stop()
		t.close()
	}, nil
}
