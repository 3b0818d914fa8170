package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// The states of a connection. Whoever swaps an idle one decides: its goroutine, which has read
// a request, or Shutdown.
const (
	stateIdle int32 = iota
	stateActive
	stateClosed
)

const (
	readBytes  = 4 << 10 // of the buffer for heads, and for the bodies that come with them
	crlfBytes  = 4       // line ends before a request that are skipped, as net/http does after a POST
	lingerTime = 500 * time.Millisecond
	lingerMost = 256 << 10
)

// conn is a connection. Its goroutine reads a request, calls the handler, and writes the
// answer, one after the other.
type conn struct {
	l      *Listener
	nc     net.Conn // with its limits
	remote string   // address
	state  atomic.Int32
	cancel context.CancelFunc // of the context of all requests, when the client is gone

	buf        [readBytes]byte
	begin, end int // of the unread bytes in buf

	last    head          // of the last request
	blank   *http.Request // with ctx; copied for each request
	request http.Request
	skipped int // line ends since the last request
	body    body
	w       response

	// Of the watch.
	id   uint64
	raw  rawConn
	left atomic.Bool // the client has closed its side; there may be bytes to read
}

// serve answers the requests of a connection until it ends or goes to net/http.
func (c *conn) serve() {
	for wait := c.l.cfg.FirstTime; ; wait = c.l.cfg.IdleTime {
		if c.begin == c.end && !c.read(wait) {
			break
		}
		if c.skipLineEnds(); c.begin == c.end {
			continue
		}
		if !c.state.CompareAndSwap(stateIdle, stateActive) {
			break
		}
		if !c.next() {
			c.handOver()
			return
		}
		if !c.answer() || c.l.draining.Load() {
			break
		}
		c.state.Store(stateIdle)
		if c.l.draining.Load() { // Shutdown may have seen it active
			break
		}
	}
	_ = c.nc.Close() // also closed by the other end, or by Shutdown
	c.l.forget(c)
}

// read waits for the first bytes of a request.
func (c *conn) read(wait time.Duration) bool {
	if c.nc.SetReadDeadline(time.Now().Add(wait)) != nil {
		return false
	}
	n, err := c.nc.Read(c.buf[:])
	c.begin, c.end = 0, n
	return n > 0 && (err == nil || errors.Is(err, io.EOF))
}

// skipLineEnds skips line ends before a request that follows another one.
func (c *conn) skipLineEnds() {
	for c.last.length >= 0 && c.skipped < crlfBytes && c.begin < c.end && (c.buf[c.begin] == '\r' || c.buf[c.begin] == '\n') {
		c.begin++
		c.skipped++
	}
}

// next reads the head of the next request from buf. It returns false if the request is for
// net/http.
func (c *conn) next() bool {
	b := c.buf[c.begin:c.end]
	if c.last.length < 0 || !bytes.HasPrefix(b, c.last.raw) {
		if !c.last.parse(b, c.l.cfg.Prefix) {
			c.last.length = -1
			return false
		}
	}
	c.begin += len(c.last.raw)
	c.body = body{c: c, left: c.last.length}
	if c.left.Load() { // the watch saw unread bytes then: net/http notices the end after them
		c.begin -= len(c.last.raw)
		return false
	}
	c.skipped = 0
	c.last.fill(&c.request, c.blank)
	c.request.RemoteAddr = c.remote
	if c.request.Body = &c.body; c.last.length == 0 {
		c.request.Body = http.NoBody
	}
	return true
}

// answer calls the handler and sends its answer. It returns false if the connection must end.
func (c *conn) answer() (again bool) {
	c.w.reset()
	if !c.handle() {
		return false
	}
	again = c.w.finish()
	if c.body.left > 0 {
		c.linger()
		return false
	}
	return again
}

// handle calls the handler. It returns false if the handler has panicked: then the answer is
// incomplete.
func (c *conn) handle() (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			ok = false
			if p != http.ErrAbortHandler {
				c.l.cfg.Log.Error("a handler panicked", "client", c.remote, "panic", p, "stack", string(debug.Stack()))
			}
		}
	}()
	c.l.cfg.Handler.ServeHTTP(&c.w, &c.request)
	return true
}

// linger reads the rest of a body that the handler has not read, a limited part of it: closing
// a connection with unread data resets it, and the client might lose the answer.
func (c *conn) linger() {
	if w, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	if c.nc.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, &c.body, lingerMost)
	}
}

// handOver gives the connection to net/http, with the bytes that were read. If the Listener has been closed since they
// were read, a server of its own answers this request, as the last one of the connection.
func (c *conn) handOver() {
	nc := net.Conn(c.nc)
	if c.begin < c.end {
		nc = &replay{Conn: c.nc, rest: bytes.Clone(c.buf[c.begin:c.end])}
	}
	select {
	case c.l.others <- nc:
	case <-c.l.closed:
		if c.begin < c.end {
			c.l.serveLast(nc)
		}
		_ = c.nc.Close()
	}
	c.l.forget(c) // after that Shutdown does not wait for it
}

// body is the body of a request.
type body struct {
	c    *conn
	left int64 // bytes that are not read
}

// Read reads from buf, then from the connection.
func (b *body) Read(p []byte) (n int, err error) {
	c := b.c
	if b.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left)]
	if c.begin < c.end {
		n = copy(p, c.buf[c.begin:c.end])
		c.begin += n
	} else {
		n, err = c.nc.Read(p)
	}
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close does nothing: the rest of a body is the connection's.
func (*body) Close() error { return nil }

// replay is a connection whose first bytes were read before.
type replay struct {
	net.Conn
	rest []byte
}

// Read reads the first bytes again, then the connection.
func (r *replay) Read(p []byte) (int, error) {
	if r.rest == nil {
		return r.Conn.Read(p)
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		r.rest = nil
	}
	return n, nil
}

// CloseWrite ends the sending. net/http uses it.
func (r *replay) CloseWrite() error {
	if w, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}
