// Package worker runs TorchServe's Python worker as a process and talks to it: [Start] starts
// it and connects, [Process.Load] loads its model, [Process.Predict] runs a batch, and
// [Process.Close] ends it.
//
// The worker listens on a unix socket in a folder that only this user can enter. The folder is
// removed as soon as the connection is there. The process has a group of its own, so that
// Ctrl-C of a terminal does not reach it, and so that the processes that a handler starts end
// with it. It ends with this process, even if that is killed: on Linux by a signal, elsewhere
// because its connection ends.
//
// After an error of the connection the process is killed and the error says how it ended, with
// the last exception that it printed. Only one goroutine may use a Process at a time, but Close,
// PID, How and Done are safe for concurrent use.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/payload"
)

// Command says how to start a worker.
type Command struct {
	Args  []string   // the program and its arguments, before those of the socket
	Dir   string     // working folder
	Env   []string   // complete
	Cores []int      // the only cores of the worker, on Linux; nil is any
	Line  func(Line) // gets each line of output, from several goroutines; nil drops them

	// Ready is the longest time from the start until the worker listens; 0 is 2 minutes.
	Ready time.Duration
	// Limits bound the answers of the worker.
	Limits protocol.Limits
}

// Line is one line that a worker has printed, without its end.
type Line struct {
	Text   string
	Stderr bool
}

// readyTime is the default of Command.Ready, as in TorchServe.
const readyTime = 2 * time.Minute

// endTime is the longest wait for a killed process.
const endTime = 10 * time.Second

// Process is a worker that runs.
type Process struct {
	conn  net.Conn
	read  *protocol.Reader
	buf   []byte // of requests, for reuse
	out   *output
	group *group
}

// Start starts a worker, waits until it listens, and connects. If ctx ends before that, the
// worker is killed.
func Start(ctx context.Context, c Command) (*Process, error) {
	dir, err := socketFolder()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is a temporary folder
	socket := filepath.Join(dir, socketName)
	out := newOutput(c.Line)
	args := append(append([]string(nil), c.Args...), "--sock-type", "unix", "--sock-name", socket)
	g, err := startGroup(args, c, out)
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	p := &Process{out: out, group: g}
	if err := p.connect(ctx, c, socket); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// socketName ends with a number, because the worker looks for one behind the last dot.
const socketName = ".ts.sock.1"

// longestSocket is the longest path of a unix socket on all systems.
const longestSocket = 103

// socketFolder makes a folder for a socket. The path of a socket is bounded, and that of the
// folder for temporary files is not.
func socketFolder() (string, error) {
	dir, err := os.MkdirTemp("", "sweetspot-")
	if err != nil || len(dir)+1+len(socketName) <= longestSocket {
		return dir, err
	}
	if err := os.Remove(dir); err != nil {
		return "", err
	}
	return os.MkdirTemp("/tmp", "sweetspot-")
}

// connect waits until the worker listens and connects to it.
func (p *Process) connect(ctx context.Context, c Command, socket string) error {
	limit := c.Ready
	if limit == 0 {
		limit = readyTime
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it was not ready within %v", limit))
	defer cancel()
	select {
	case <-p.out.ready:
	case <-p.group.ended:
		return p.fail("the worker ended before it was ready", nil)
	case <-ctx.Done():
		return p.fail("start a worker", context.Cause(ctx))
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return p.fail("connect to the worker", err)
	}
	p.conn, p.read = conn, protocol.NewReader(conn, c.Limits)
	return nil
}

// Load loads the model. An error says why it cannot be loaded; the worker has ended then. The
// end of ctx kills the worker.
func (p *Process) Load(ctx context.Context, l protocol.Load) error {
	b, err := protocol.AppendLoad(nil, l)
	if err != nil {
		return err
	}
	var r protocol.LoadReply
	err = p.exchange(ctx, 0, b, func() error {
		r, err = p.read.LoadReply()
		return err
	})
	switch {
	case ctx.Err() != nil:
		return p.fail("the worker did not load the model", context.Cause(ctx))
	case err != nil: // for most exceptions of handlers the worker ends without a reply
		return p.fail("the worker did not load the model", err)
	case r.Code != statusOK:
		return p.fail(fmt.Sprintf("the worker did not load the model: %d %s", r.Code, r.Message), io.EOF)
	}
	return nil
}

// statusOK is the code of a message that says that all is well.
const statusOK = 200

// Predict runs a batch and returns the last reply. piece gets the replies before it, the pieces
// of a streamed answer. limit is the longest wait for a reply or a piece;
// 0 is none. After an error other than ErrMessage the worker has ended.
func (p *Process) Predict(ctx context.Context, limit time.Duration, batch []*payload.Message, piece func(*protocol.Reply)) (*protocol.Reply, error) {
	p.out.forget() // an exception of an earlier batch says nothing about this one
	b, err := protocol.AppendPredict(p.buf[:0], batch)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if cap(b) <= keptBuffer {
		p.buf = b
	}
	for {
		var r *protocol.Reply
		err = p.exchange(ctx, limit, b, func() error {
			r, err = p.read.Reply()
			return err
		})
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, p.fail("the batch was cancelled", context.Cause(ctx))
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, p.fail(fmt.Sprintf("the worker did not answer a batch of %d within %v, the response timeout", len(batch), limit), nil)
		case err != nil:
			return nil, p.fail("the worker ended during a batch", err)
		case !r.More():
			return r, nil
		}
		piece(r)
		b = nil
	}
}

// ErrMessage means that a batch cannot be sent. The worker goes on.
var ErrMessage = errors.New("the requests cannot be sent to the worker")

// keptBuffer is the largest buffer for requests that is kept.
const keptBuffer = 8 << 20

// exchange writes b and calls read, both before the limit and the end of ctx.
func (p *Process) exchange(ctx context.Context, limit time.Duration, b []byte, read func() error) error {
	deadline := time.Time{}
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	if err := p.conn.SetDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetDeadline(time.Unix(1, 0)) }) // it may be closed
	defer stop()
	if len(b) > 0 {
		if _, err := p.conn.Write(b); err != nil {
			return err
		}
	}
	return read()
}

// fail ends the worker and returns an error that says how it ended by itself, if it has, and the
// last exception that it has printed. The end of the connection as the error means that the worker ends
// by itself.
func (p *Process) fail(what string, err error) error {
	if endsItself(err) {
		select { // its connection ends before its process does
		case <-p.group.ended:
		case <-time.After(ownEnd):
		}
		err = nil
	}
	p.group.kill()
	select {
	case <-p.group.ended:
		p.out.finish()
	case <-time.After(endTime):
	}
	text := what
	if how := p.group.how(); how != "" {
		text += " (" + how + ")"
	}
	if last := p.out.reason(); last != "" {
		text += ": " + last
	}
	if err == nil {
		return errors.New(text)
	}
	return fmt.Errorf("%s: %w", text, err)
}

// endsItself reports whether an error of a connection means that the worker ends.
func endsItself(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ownEnd is how long a worker that has closed its connection may take to end by itself, so that
// its exit status is known.
const ownEnd = 2 * time.Second

// PID returns the ID of the process.
func (p *Process) PID() int { return p.group.pid }

// Exception returns the exceptions that the worker has printed since the begin of the last batch, with those that they were caused by; "" is
// none. It waits for them until limit.
func (p *Process) Exception(limit time.Duration) string {
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		if chain := p.out.exceptions(); len(chain) > 0 || time.Now().After(end) {
			return strings.Join(chain, "; then ")
		}
	}
}

// How says how the process has ended, if it has by itself: "exit status 1", "killed by signal 9, killed". It is "" before.
func (p *Process) How() string { return p.group.how() }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.group.ended }

// Close kills the worker and what it has started, and waits for its end. Later calls do
// nothing.
func (p *Process) Close() error {
	if p.conn != nil {
		_ = p.conn.Close() // it may be closed
	}
	p.group.kill()
	select {
	case <-p.group.ended:
		p.out.finish()
		return nil
	case <-time.After(endTime):
		return fmt.Errorf("the worker with the process ID %d did not end within %v after it was killed", p.group.pid, endTime)
	}
}
