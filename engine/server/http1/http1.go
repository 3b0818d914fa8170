// Package http1 answers plain predictions over HTTP/1.1 with less work per request than
// net/http, and leaves every other request to net/http.
//
// A [Listener] is between a listener and an [http.Server]. It answers a request itself if it is
//
//   - POST, HTTP/1.1, with a path below the prefix of its [Config] and without a query,
//   - with one Host and one Content-Length, and without other headers that change how a message
//     is read or how the connection goes on: Transfer-Encoding, Expect, Upgrade, Trailer,
//     Pragma, or a Connection that is not keep-alive,
//   - with no header name twice, and with bytes only that no parser can read in two ways,
//   - and if the whole head, at most 4 KiB, has arrived with the first read.
//
// With the first other request, net/http gets the connection for good: it reads the same bytes
// as if it had accepted the connection itself. So there is only one place where unusual
// requests are judged. The handler is the same for both, and so are the deadlines of the
// connection, which Config.Wrap sets.
//
// What it saves: net/http starts a goroutine for each request, which reads while the handler
// runs, in order to notice a client that closes its connection. Here the kernel reports that
// (see watch_linux.go). And the head of a request is parsed only if it differs from the one
// before on the same connection; requests, header maps and buffers belong to the connection.
// Therefore a handler must not keep a request or its header after it has returned.
package http1

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Config describes what a Listener answers. All fields are needed.
type Config struct {
	Handler http.Handler
	Prefix  string // of the paths that the Listener answers
	// Wrap returns the connection with the limits of its reads and writes. It is called once
	// for each accepted connection.
	Wrap      func(net.Conn) net.Conn
	FirstTime time.Duration // longest time until the first byte of a connection
	IdleTime  time.Duration // longest time between two requests
	Log       *slog.Logger
	// Last returns a server for a connection whose request is for net/http when the http.Server accepts none any more. It
	// has the same handler and limits.
	Last       func() *http.Server
	watchFails bool // for tests: as on a system that reports no closed connections
}

// Listener is the listener of an http.Server. Its Accept returns the connections whose requests
// are not for this package. It is safe for concurrent use.
//
// http.Server.Shutdown closes it, which ends the accepting; the caller must then call Shutdown, and
// Close if that fails.
type Listener struct {
	net.Listener
	cfg    Config
	watch  *watch // nil: net/http gets all connections
	others chan net.Conn
	failed chan error // of Accept
	closed chan struct{}
	close  func() error

	draining atomic.Bool
	date     atomic.Pointer[date]

	mu    sync.Mutex // guards conns
	conns map[*conn]struct{}
	wg    sync.WaitGroup // one for each connection
}

// NewListener returns a Listener that accepts connections from l until it is closed.
func NewListener(l net.Listener, c Config) *Listener {
	s := &Listener{
		Listener: l, cfg: c, others: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
		conns: map[*conn]struct{}{},
	}
	if w, err := newWatch(); err == nil && !c.watchFails {
		s.watch = w
	}
	s.close = sync.OnceValue(func() error {
		close(s.closed)
		return s.Listener.Close()
	})
	go s.accept()
	return s
}

// accept accepts connections until the Listener is closed. net/http waits after an error, and
// so does this: the error is sent only when net/http calls Accept again.
func (s *Listener) accept() {
	for {
		nc, err := s.Listener.Accept()
		switch {
		case err == nil:
			s.start(nc)
			continue
		case errors.Is(err, net.ErrClosed):
			return // Accept knows it, too
		}
		select {
		case s.failed <- err:
		case <-s.closed:
			return
		}
	}
}

// start answers the requests of a connection in a goroutine of its own.
func (s *Listener) start(nc net.Conn) {
	c := &conn{l: s, nc: s.cfg.Wrap(nc), remote: nc.RemoteAddr().String(), last: head{length: -1}}
	c.w.c = c
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.blank = cancel, new(http.Request).WithContext(ctx)
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	raw, ok := nc.(syscall.Conn)
	if s.watch == nil || !ok || s.watch.add(c, raw) != nil {
		c.state.Store(stateActive) // for Shutdown: it is net/http's
		go c.handOver()
		return
	}
	go c.serve()
}

// forget ends the care for a connection.
func (s *Listener) forget(c *conn) {
	if s.watch != nil {
		s.watch.remove(c)
	}
	c.cancel()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.wg.Done()
}

// Accept returns the next connection that is for net/http.
func (s *Listener) Accept() (net.Conn, error) {
	select {
	case nc := <-s.others:
		return nc, nil
	case err := <-s.failed:
		return nil, err
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the accepting of connections. Requests go on.
func (s *Listener) Close() error { return s.close() }

// Shutdown closes the idle connections and waits until the running requests are answered, or
// until ctx ends. The Listener must be closed before.
func (s *Listener) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true) // under mu, so that no connection is added after it
	s.mu.Unlock()
	s.each(func(c *conn) {
		if c.state.CompareAndSwap(stateIdle, stateClosed) {
			_ = c.nc.Close() // its goroutine notices it
		}
	})
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return s.watch.close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Abort closes all connections at once.
func (s *Listener) Abort() {
	s.each(func(c *conn) {
		c.cancel()
		_ = c.nc.Close()
	})
	_ = s.watch.close()
}

// each calls f for each connection.
func (s *Listener) each(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}

// date is the value of the header Date in one second.
type date struct {
	second int64
	text   string
}

// dateText returns the value of the header Date.
func (s *Listener) dateText() string {
	now := time.Now()
	if d := s.date.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
	s.date.Store(d)
	return d.text
}
