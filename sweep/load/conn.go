package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Special values of conn.due.
const (
	noDeadline time.Duration = 0
	isExpired  time.Duration = -1 // the request exceeded its timeout
	abandoned  time.Duration = -2 // the run's context ended
)

// job is one request.
type job struct {
	planned, lag time.Duration
	request      []byte
	body         int32 // its index in Config.Bodies
	keep         bool  // keep the body of the answer
	held         bool  // the throttle held it back
}

// How much of a request is written: values of conn.sent.
const (
	sentAll   int32 = iota // all of it
	sentPart               // a goroutine is writing the rest
	gotAnswer              // the answer has arrived
)

// conn is one client with at most one request in flight. It replaces its TCP connection when
// the server closes it. One goroutine owns it. The pacer may write to it while it is busy, and
// expire may interrupt it.
type conn struct {
	run  *run
	job  job // the request in flight
	ans  answer
	in   *bufio.Reader
	from receiver // in reads from it
	sent atomic.Int32

	reused bool // the connection has had a request before

	mu  sync.Mutex    // guards due, and writes of nc
	due time.Duration // deadline of the request; see the constants
	nc  net.Conn      // nil without a connection; the owner reads it without mu

	busy bool // guarded by pool.mu
	out  writer

	pacerHasRequest chan bool // TLS: true if the pacer has a request for the idle connection, false if it is not needed any more
}

// newConn makes a client and registers it with the run.
func newConn(r *run) *conn {
	c := &conn{run: r, in: bufio.NewReaderSize(nil, maxLine)}
	if r.c.TLS != nil {
		c.pacerHasRequest = make(chan bool, 1)
	}
	r.mu.Lock()
	r.conns[c] = struct{}{}
	r.mu.Unlock()
	return c
}

// close closes the connection and unregisters the client.
func (c *conn) close() {
	c.closeConn()
	c.run.mu.Lock()
	delete(c.run.conns, c)
	c.run.mu.Unlock()
}

// send sends a request and records its result.
func (c *conn) send(j job) error {
	c.begin(j)
	err := c.exchange()
	c.finish(err)
	return err
}

// begin starts the timeout of a request.
func (c *conn) begin(j job) {
	c.job, c.ans.keep = j, j.keep
	c.sent.Store(sentAll)
	c.mu.Lock()
	c.due = j.planned + c.run.c.Timeout
	c.mu.Unlock()
}

// connect makes the connection, within the timeout of the request. TCP_NODELAY is on, which is
// the default of Go.
func (c *conn) connect() error {
	c.mu.Lock()
	due := c.due
	c.mu.Unlock()
	deadline := time.Now().Add(c.run.c.Timeout)
	if due > noDeadline {
		deadline = c.run.start.Add(due)
	}
	d := net.Dialer{Deadline: deadline, KeepAlive: -1}
	nc, err := d.DialContext(c.run.ctx, "tcp", c.run.c.Addr)
	if err != nil {
		return err // has the address
	}
	if nc, err = c.attach(nc, deadline); err != nil {
		return errors.Join(err, nc.Close())
	}
	c.reused = false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc = nc
	if c.due < noDeadline { // expire was called during the dial
		return nc.SetDeadline(time.Unix(1, 0))
	}
	return nil
}

// attach sets a new TCP connection, which uses TLS if the config says so, and returns the
// connection to write to. With an error it returns nc.
func (c *conn) attach(nc net.Conn, deadline time.Time) (net.Conn, error) {
	if c.run.c.TLS != nil {
		secure := tls.Client(nc, c.run.c.TLS)
		ctx, cancel := context.WithDeadline(c.run.ctx, deadline)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			return nc, fmt.Errorf("TLS with %s: %w", c.run.c.Addr, err)
		}
		c.in.Reset(secure)
		return secure, nil
	}
	if err := c.out.attach(nc); err != nil {
		return nc, err
	}
	c.from.attach(nc, c.out.raw)
	c.in.Reset(&c.from)
	return nc, nil
}

// closeConn closes the connection.
func (c *conn) closeConn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nc == nil {
		return
	}
	nc := c.nc
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn() // without the close message of TLS, which blocks if the server does not read
	}
	_ = nc.Close() // the error does not matter
	c.nc = nil
}

// expire interrupts the request if it exceeds its timeout at now, or if all.
func (c *conn) expire(now time.Duration, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.due <= noDeadline:
		return
	case all:
		c.due = abandoned
	case c.due <= now:
		c.due = isExpired
	default:
		return
	}
	c.interrupt()
}

// wake ends the blocking read of an idle connection.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt()
}

// interrupt makes reads and writes return at once; mu is held.
func (c *conn) interrupt() {
	if c.nc != nil {
		_ = c.nc.SetDeadline(time.Unix(1, 0)) // fails only on a closed connection
	}
}

// exchange sends the request and reads its answer. The server may have closed an idle
// connection: if a reused connection ends before a byte of the answer, the request is sent
// again over a new one.
func (c *conn) exchange() error {
	if c.nc == nil {
		if err := c.connect(); err != nil {
			return err
		}
	}
	_, werr := c.nc.Write(c.job.request)
	begun, err := c.receive()
	if c.reused && stale(begun, err) {
		c.closeConn()
		return c.exchange()
	}
	if werr != nil {
		c.ans.close = true // the server has answered before it read the whole request
		if err != nil {
			return werr
		}
	}
	return err
}

// receive waits for an answer and reads it. begun reports whether any byte has arrived.
func (c *conn) receive() (begun bool, err error) {
	if _, err := c.in.Peek(1); err != nil {
		return false, err
	}
	return true, c.ans.read(c.in)
}

// stale reports whether the server ended a connection before any byte of the answer.
func stale(begun bool, err error) bool {
	return err != nil && !begun && !errors.Is(err, os.ErrDeadlineExceeded)
}

// finish records the result of the request, and closes a connection that cannot be reused. err
// is the error of exchange or receive.
func (c *conn) finish(err error) {
	r := c.run
	now := r.endTime(c.job, c.from.receivedAt, err)
	c.mu.Lock()
	due := c.due
	c.due = noDeadline
	c.mu.Unlock()
	early := c.sent.Swap(gotAnswer) == sentPart
	c.reused = true
	if due == abandoned || err != nil && context.Cause(r.ctx) != nil {
		r.abandoned.Add(1)
		c.closeConn()
		return
	}
	if out := r.record(c.job, now, due == isExpired, &c.ans, err); out == Timeout || err != nil || early || c.ans.close {
		c.closeConn()
	}
}

// record adds the sample of a request that ended at now: it exceeded its timeout, failed with
// err, or was answered.
func (r *run) record(j job, now time.Duration, isExpired bool, a *answer, err error) Outcome {
	s := Sample{Planned: j.planned, Lag: j.lag, Latency: now - j.planned, Body: j.body, Held: j.held}
	switch {
	case isExpired || s.Latency >= r.c.Timeout:
		s.Outcome, s.Latency = Timeout, r.c.Timeout
	case err != nil:
		s.Outcome = Failed
		r.recordError(err)
	default:
		a.fill(&s)
		if a.keep && s.Outcome == OK {
			r.keeper.add(j.body, s.Batch, a.data)
		}
	}
	r.samples.add(s)
	return s.Outcome
}

// endTime returns the elapsed time at the end of a request. That is when the last byte of the
// answer was received, in Unix nanoseconds (0 is unknown), which may be long before it is read:
// after a stall hundreds of answers arrive at once.
func (r *run) endTime(j job, receivedAt int64, err error) time.Duration {
	t := time.Now()
	now := t.Sub(r.start)
	if err != nil || receivedAt == 0 {
		return now
	}
	unread := time.Duration(t.UnixNano() - receivedAt)
	return now - min(max(unread, 0), now-j.planned) // clamp, because the wall clock may have been changed
}

// fill copies the answer to the sample.
func (a *answer) fill(s *Sample) {
	t := &a.timing
	s.Decode, s.Queue, s.Formation, s.Model, s.Encode = t.decode, t.queue, t.formation, t.execution, t.encode
	s.Batch, s.Status = t.batch, int16(a.status)
	switch {
	case a.status < 300:
		s.Outcome = OK
	case a.status == 503 || a.status == 429:
		s.Outcome = Refused
	default:
		s.Outcome = Failed
	}
}

// writer writes to a connection and never waits. Only the pacer uses it, except that attach
// sets raw before the pacer can use the conn.
type writer struct {
	raw  syscall.RawConn
	data []byte
	n    int
	try  func(fd uintptr) bool // made once, so that sending does not allocate
}

// attach sets a new connection.
func (w *writer) attach(nc net.Conn) (err error) {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("connection of type %T: want TCP", nc)
	}
	w.raw, err = t.SyscallConn()
	return err
}

// send writes as much as the socket accepts at once and returns the number of bytes. It ignores
// errors, because the reader of the connection gets them too.
func (w *writer) send(raw syscall.RawConn, data []byte) int {
	if w.try == nil {
		w.try = func(fd uintptr) bool {
			w.n = writeOnce(fd, w.data)
			return true
		}
	}
	w.data, w.n = data, 0
	if err := raw.Write(w.try); err != nil {
		return len(data)
	}
	return w.n
}
