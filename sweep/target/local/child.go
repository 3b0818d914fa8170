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

// Bounds of a child's life.
const (
	startLimit = 90 * time.Second // model loading included
	stopLimit  = 5 * time.Second  // from closing its stdin to killing it
	tailLines  = 20               // last lines of stderr kept for the error
)

// handshake is the one JSON line a child writes on fd 3.
type handshake struct {
	Inference  string `json:"inference"`
	Management string `json:"management"`
	PID        int    `json:"pid"`
	Error      string `json:"error"`
}

// child is a running engine process. It ends when its stdin closes, so it never
// outlives this process, however that ends.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	token string
	hello handshake
	tail  *tail
	done  chan struct{} // closed when the process has ended
	err   error         // how it ended; valid after done
}

// spawn starts argv and waits for its handshake. The child's stderr goes to log
// and, its last lines, into the error of a child that dies.
func spawn(ctx context.Context, argv, env []string, log io.Writer) (*child, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	c := &child{token: rand.Text(), tail: &tail{to: log}, done: make(chan struct{})}
	c.cmd = exec.Command(argv[0], argv[1:]...) // not CommandContext: stop drains first
	c.cmd.Env = env
	c.cmd.ExtraFiles = []*os.File{write}
	c.cmd.Stderr = c.tail
	c.cmd.SysProcAttr = ownGroup()
	if c.stdin, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	write.Close()
	if err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	go c.wait()
	if _, err := io.WriteString(c.stdin, c.token+"\n"); err != nil {
		return nil, c.failed(err)
	}
	if err := c.handshake(ctx, read); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *child) wait() {
	c.err = c.cmd.Wait()
	close(c.done)
}

// handshake reads the handshake, within startLimit and ctx.
func (c *child) handshake(ctx context.Context, r *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no handshake within %v", startLimit))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start the engine: %w", context.Cause(ctx))
	case err != nil:
		return c.failed(err)
	}
	if err := json.Unmarshal(line, &c.hello); err != nil {
		return fmt.Errorf("start the engine: handshake %.80q: %v", line, err)
	}
	if c.hello.Error != "" {
		return errors.New(c.hello.Error)
	}
	return nil
}

// failed waits a moment for the process to end, so that the error can say why.
func (c *child) failed(err error) error {
	select {
	case <-c.done:
		return c.death()
	case <-time.After(stopLimit):
		c.stop()
		return fmt.Errorf("start the engine: %w", err)
	}
}

// dead tells whether the process has ended.
func (c *child) dead() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// death is the error of a process that has ended by itself.
func (c *child) death() error {
	cause, last := c.tail.lines()
	return &DiedError{How: how(c.err), Cause: cause, Tail: last}
}

func how(err error) string {
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

// stop closes the child's stdin, which asks it to end, and kills it if it does
// not. It returns when the process is gone.
func (c *child) stop() {
	_ = c.stdin.Close()
	select {
	case <-c.done:
	case <-time.After(stopLimit):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// DiedError says that the engine process ended by itself.
type DiedError struct {
	How   string   // "segmentation fault", "exit status 2"
	Cause string   // the line that tells most, "" without any
	Tail  []string // its last lines on stderr, oldest first
}

func (e *DiedError) Error() string {
	if e.Cause == "" {
		return e.How
	}
	return e.How + ": " + e.Cause
}

// LastLines are the child's last lines on stderr, oldest first.
func (e *DiedError) LastLines() []string { return e.Tail }

// crashes begin the line with which a crash of Go or C++ begins; pages of stack
// follow it.
var crashes = []string{"panic:", "fatal error:", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "terminate called"}

// tail passes lines on and keeps the last ones. It is safe for concurrent use.
type tail struct {
	to    io.Writer // nil: only keep
	mu    sync.Mutex
	part  []byte
	last  []string
	crash string // the first line that begins a crash
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to != nil {
		_, _ = t.to.Write(b) // a full log must not stop the engine
	}
	t.part = append(t.part, b...)
	for {
		line, rest, ok := strings.Cut(string(t.part), "\n")
		if !ok {
			break
		}
		t.keep(line)
		t.part = append(t.part[:0], rest...)
	}
	if len(t.part) > 4096 {
		t.keep(string(t.part))
		t.part = t.part[:0]
	}
	return len(b), nil
}

func (t *tail) keep(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	if t.crash == "" && slices.ContainsFunc(crashes, func(p string) bool { return strings.HasPrefix(line, p) }) {
		t.crash = line
	}
	t.last = append(t.last, line)
	if len(t.last) > tailLines {
		t.last = t.last[len(t.last)-tailLines:]
	}
}

// lines returns the line that tells most and the last ones.
func (t *tail) lines() (cause string, last []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last = append(last, t.last...)
	if len(t.part) > 0 {
		last = append(last, strings.TrimSpace(string(t.part)))
	}
	switch {
	case t.crash != "":
		cause = t.crash
	case len(last) > 0:
		cause = last[len(last)-1]
	}
	return cause, last
}
