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

// Why a request is ended from outside: values of conn.due.
const (
	noneDue   time.Duration = 0
	expired   time.Duration = -1 // its time is up
	abandoned time.Duration = -2 // the run's context ended
)

// job is one request.
type job struct {
	planned, lag time.Duration
	request      []byte
}

// How far the pacer has written a request: values of conn.sent.
const (
	whole    int32 = iota // completely, as far as anyone knows
	partly                // a goroutine is writing the rest
	answered              // the answer came
)

// conn is one client with at most one request in flight, on a TCP connection
// that it replaces when the server closes it. One goroutine owns it; the pacer
// may write to it while it is busy, and the reaper may cut it off.
type conn struct {
	run  *run
	job  job // the request in flight
	ans  answer
	in   *bufio.Reader
	from receiver // what in reads
	sent atomic.Int32

	rested bool // the connection is no new one

	mu  sync.Mutex    // guards due, and replacing nc
	due time.Duration // when the request's time is up; see the constants
	nc  net.Conn      // nil without a connection; read freely by the owner

	busy bool // guarded by pool.mu
	out  writer

	handed chan bool // TLS: that the pacer has a request for the idle owner, or false that none comes
}

// newConn registers a client with the run.
func newConn(r *run) *conn {
	c := &conn{run: r, in: bufio.NewReaderSize(nil, lineMost)}
	if r.c.TLS != nil {
		c.handed = make(chan bool, 1)
	}
	r.mu.Lock()
	r.conns[c] = struct{}{}
	r.mu.Unlock()
	return c
}

// leave closes the connection and takes the client off the run.
func (c *conn) leave() {
	c.drop()
	c.run.mu.Lock()
	delete(c.run.conns, c)
	c.run.mu.Unlock()
}

// begin starts the clock of a request.
func (c *conn) begin(j job) {
	c.job = j
	c.sent.Store(whole)
	c.mu.Lock()
	c.due = j.planned + c.run.c.Timeout
	c.mu.Unlock()
}

// connect makes the connection, within the request's time. TCP_NODELAY is on,
// as always in Go.
func (c *conn) connect() error {
	c.mu.Lock()
	due := c.due
	c.mu.Unlock()
	deadline := time.Now().Add(c.run.c.Timeout)
	if due > noneDue {
		deadline = c.run.start.Add(due)
	}
	d := net.Dialer{Deadline: deadline, KeepAlive: -1}
	nc, err := d.DialContext(c.run.ctx, "tcp", c.run.c.Addr)
	if err != nil {
		return err // names the address already
	}
	if nc, err = c.attach(nc, deadline); err != nil {
		return errors.Join(err, nc.Close())
	}
	c.rested = false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc = nc
	if c.due < noneDue { // the reaper came while we dialled
		return nc.SetDeadline(time.Unix(1, 0))
	}
	return nil
}

// attach makes the reader read a new TCP connection, through TLS where that is asked
// for, and returns the connection to write to. After an error it is the one given.
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

// drop closes the connection.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nc == nil {
		return
	}
	nc := c.nc
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn() // without a farewell, for which a server that does not read would be waited
	}
	_ = nc.Close() // nothing is lost with it
	c.nc = nil
}

// reap cuts the request off if its time is up at now, or in any case when all.
func (c *conn) reap(now time.Duration, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.due <= noneDue:
		return
	case all:
		c.due = abandoned
	case c.due <= now:
		c.due = expired
	default:
		return
	}
	c.interrupt()
}

// wake ends the wait of an idle connection.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt()
}

// interrupt makes reads and writes return at once; mu is held.
func (c *conn) interrupt() {
	if c.nc != nil {
		_ = c.nc.SetDeadline(time.Unix(1, 0)) // fails only on a closed one
	}
}

// exchange sends the request and reads its answer. The server may have closed
// a connection that rested meanwhile: if it dies without a byte of answer, the
// request is sent once more on a new one.
func (c *conn) exchange() error {
	if c.nc == nil {
		if err := c.connect(); err != nil {
			return err
		}
	}
	_, werr := c.nc.Write(c.job.request)
	begun, err := c.receive()
	if c.rested && stale(begun, err) {
		c.drop()
		return c.exchange()
	}
	if werr != nil {
		c.ans.close = true // answered before it had read the request
		if err != nil {
			return werr
		}
	}
	return err
}

// receive waits for an answer and reads it. begun is whether any byte came.
func (c *conn) receive() (begun bool, err error) {
	if _, err := c.in.Peek(1); err != nil {
		return false, err
	}
	return true, c.ans.read(c.in)
}

// stale tells whether a connection ended before any answer, and not by us.
func stale(begun bool, err error) bool {
	return err != nil && !begun && !errors.Is(err, os.ErrDeadlineExceeded)
}

// finish records how the request ended, and drops a connection that cannot
// carry another. err is from exchange or receive.
func (c *conn) finish(err error) {
	r := c.run
	now := r.ended(c.job, c.from.came, err)
	c.mu.Lock()
	due := c.due
	c.due = noneDue
	c.mu.Unlock()
	early := c.sent.Swap(answered) == partly
	c.rested = true
	if due == abandoned || err != nil && context.Cause(r.ctx) != nil {
		r.abandoned.Add(1)
		c.drop()
		return
	}
	if out := r.record(c.job, now, due == expired, &c.ans, err); out == Timeout || err != nil || early || c.ans.close {
		c.drop()
	}
}

// record puts a request that has ended at now into the box: cut off as expired,
// broken by err, or answered.
func (r *run) record(j job, now time.Duration, expired bool, a *answer, err error) Outcome {
	s := Sample{Planned: j.planned, Lag: j.lag, Latency: now - j.planned}
	switch {
	case expired || s.Latency >= r.c.Timeout:
		s.Outcome, s.Latency = Timeout, r.c.Timeout
	case err != nil:
		s.Outcome = Failed
		r.trouble(err)
	default:
		a.fill(&s)
	}
	r.box.add(s)
	return s.Outcome
}

// ended is the run's age at the end of a request. An answer ended when its last
// byte came, in Unix nanoseconds, which may be a while before it was read: after
// a stall hundreds come at once, and the one that is late already may be read
// last. 0 is not known.
func (r *run) ended(j job, came int64, err error) time.Duration {
	t := time.Now()
	now := t.Sub(r.start)
	if err != nil || came == 0 {
		return now
	}
	unread := time.Duration(t.UnixNano() - came)
	return now - min(max(unread, 0), now-j.planned) // should the wall clock have been set meanwhile
}

// fill takes over what the answer says.
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

// writer writes to a connection without ever waiting: the pacer's half of a
// conn. Its fields are the pacer's, save that attach replaces raw before the
// pacer can have the conn.
type writer struct {
	raw  syscall.RawConn
	data []byte
	n    int
	try  func(fd uintptr) bool // made once, so that sending allocates nothing
}

// attach points the writer at a new connection.
func (w *writer) attach(nc net.Conn) (err error) {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("connection of type %T: want TCP", nc)
	}
	w.raw, err = t.SyscallConn()
	return err
}

// send writes what the socket takes at once and returns how much that was.
// Errors are left to the reader of the connection, which sees them too.
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
