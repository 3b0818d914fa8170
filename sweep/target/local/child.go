package local

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Time limits of a child, and lines of its stderr.
const (
	startLimit = 5 * time.Minute // including the loading of the model, which takes minutes for workers in Python
	callLimit  = 2 * startLimit  // of a change of settings, which may load the model again and drain the old workers
	stopLimit  = 5 * time.Second // from closing its stdin until it is killed
	tailLines  = 20              // number of last lines of stderr that are kept for the error
)

// handshake is the JSON line that a child writes to file descriptor 3.
type handshake struct {
	Inference  string `json:"inference"`
	Management string `json:"management"`
	PID        int    `json:"pid"`
	Error      string `json:"error"`
}

// child is a running engine process. It ends when its stdin closes, so that it always ends with
// this process.
type child struct {
	cmd       *exec.Cmd
	stdin     io.WriteCloser
	token     string
	addresses handshake
	tail      *stderrTail
	killed    string        // why kill was called; "" if it was not
	done      chan struct{} // closed after the end of the process
	err       error         // how it ended; valid after done is closed
}

// startChild starts argv and waits for the handshake. The child's stderr is copied to log. Its last
// lines become part of the error if the child dies.
func startChild(ctx context.Context, argv, env []string, log io.Writer) (*child, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	c := &child{token: rand.Text(), tail: &stderrTail{log: log}, done: make(chan struct{})}
	c.cmd = exec.Command(argv[0], argv[1:]...) // not CommandContext, which kills the child: stop lets it end its requests
	c.cmd.Env = env
	c.cmd.ExtraFiles = []*os.File{write}
	c.cmd.Stderr = c.tail
	c.cmd.SysProcAttr = ownProcessGroup()
	if c.stdin, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	write.Close()
	if err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	go c.waitForEnd()
	if _, err := io.WriteString(c.stdin, c.token+"\n"); err != nil {
		return nil, c.startError(err)
	}
	if err := c.readHandshake(ctx, read); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *child) waitForEnd() {
	c.err = c.cmd.Wait()
	close(c.done)
}

// readHandshake reads the handshake, until startLimit or the end of ctx.
func (c *child) readHandshake(ctx context.Context, r *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no handshake within %v", startLimit))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start the engine: %w", context.Cause(ctx))
	case err != nil:
		return c.startError(err)
	}
	if err := json.Unmarshal(line, &c.addresses); err != nil {
		return fmt.Errorf("start the engine: handshake %.80q: %v", line, err)
	}
	if c.addresses.Error != "" {
		return errors.New(c.addresses.Error)
	}
	return nil
}

// startError waits a moment for the end of the process, whose exit status is a better error than
// err.
func (c *child) startError(err error) error {
	select {
	case <-c.done:
		return c.deathError()
	case <-time.After(stopLimit):
		c.stop()
		return fmt.Errorf("start the engine: %w", err)
	}
}

// hasEnded reports whether the process has ended.
func (c *child) hasEnded() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// deathError returns the error of a process that has ended without being stopped.
func (c *child) deathError() error {
	cause, last := c.tail.summary()
	if c.killed != "" {
		return &DiedError{How: c.killed, Tail: last}
	}
	return &DiedError{How: exitText(c.err), Cause: cause, Tail: last}
}

// kill ends a process that does not react any more, also one that is stopped by a signal. why is then how it has
// died. It returns after its end. The owner of the child calls it from one goroutine at a time.
func (c *child) kill(why string) {
	if c.hasEnded() {
		return
	}
	c.killed = why
	_ = c.cmd.Process.Kill() // it may have ended just now
	<-c.done
}

// exitText says how a process has ended.
func exitText(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return ws.Signal().String()
		}
		return exit.Error()
	}
	if err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// stop closes the child's stdin, which tells it to end, and kills it after stopLimit. It returns
// after the end of the process.
func (c *child) stop() {
	_ = c.stdin.Close()
	select {
	case <-c.done:
	case <-time.After(stopLimit):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// DiedError means that the engine process ended without being stopped.
type DiedError struct {
	How   string   // "segmentation fault", "exit status 2"
	Cause string   // the most informative line of stderr, "" if there is none
	Tail  []string // its last lines on stderr, oldest first
}

func (e *DiedError) Error() string {
	if e.Cause == "" {
		return e.How
	}
	return e.How + ": " + e.Cause
}

// LastLines returns the last lines of the child's stderr, oldest first.
func (e *DiedError) LastLines() []string { return e.Tail }

// crashPrefixes are beginnings of the first line of a crash in Go or C++. Many lines of stack
// follow it.
var crashPrefixes = []string{"panic:", "fatal error:", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "terminate called"}

// stderrTail copies lines to a log and keeps the last ones. It is safe for concurrent use.
type stderrTail struct {
	log       io.Writer // nil for no copy
	mu        sync.Mutex
	partial   []byte
	lines     []string
	crashLine string // the first line with a crash prefix
}

func (t *stderrTail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != nil {
		_, _ = t.log.Write(b) // an error of the log must not stop the engine
	}
	t.partial = append(t.partial, b...)
	for {
		line, rest, ok := strings.Cut(string(t.partial), "\n")
		if !ok {
			break
		}
		t.addLine(line)
		t.partial = append(t.partial[:0], rest...)
	}
	if len(t.partial) > 4096 {
		t.addLine(string(t.partial))
		t.partial = t.partial[:0]
	}
	return len(b), nil
}

func (t *stderrTail) addLine(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	if t.crashLine == "" && slices.ContainsFunc(crashPrefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
		t.crashLine = line
	}
	t.lines = append(t.lines, line)
	if len(t.lines) > tailLines {
		t.lines = t.lines[len(t.lines)-tailLines:]
	}
}

// summary returns the most informative line and the last lines.
func (t *stderrTail) summary() (cause string, last []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last = append(last, t.lines...)
	if len(t.partial) > 0 {
		last = append(last, strings.TrimSpace(string(t.partial)))
	}
	switch {
	case t.crashLine != "":
		cause = t.crashLine
	case len(last) > 0:
		cause = last[len(last)-1]
	}
	return cause, last
}
