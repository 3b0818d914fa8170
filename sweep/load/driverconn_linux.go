package load

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"
)

// driverConn is a connection of a driver, with at most one request in flight.
type driverConn struct {
	index      int // index in driver.conns
	fd         int // -1 without a connection
	state      connState
	reused     bool  // the connection has had a request before
	begun      bool  // a byte of the answer has arrived
	partial    bool  // counted in driver.partial
	receivedAt int64 // time of its last byte in Unix nanoseconds; 0 is unknown

	job    job
	unsent []byte // rest that the socket has not accepted yet
	ans    answer
}

// connState is the state of a driverConn.
type connState uint8

const (
	unused  connState = iota
	dialing           // with a request, or before the run without one
	idle
	busy
)

// unusedConn returns a driverConn without a connection.
func (d *driver) unusedConn() *driverConn {
	if n := len(d.free); n > 0 {
		c := d.free[n-1]
		d.free = d.free[:n-1]
		return c
	}
	c := &driverConn{index: len(d.conns), fd: -1}
	d.conns = append(d.conns, c)
	return c
}

// dial makes a new connection for the request of c.
func (d *driver) dial(c *driverConn) {
	c.state = dialing
	d.dialing++
	if err := d.startConnect(c); err != nil {
		d.finish(c, err)
	}
}

// startConnect starts a connection for c; finishConnect returns its error.
func (d *driver) startConnect(c *driverConn) error {
	fd, err := dial(d.server)
	if err == nil {
		err = d.addConn(c, fd, toWrite)
	}
	return d.wrapDialError(err)
}

func (d *driver) finishConnect(c *driverConn) error { return d.wrapDialError(dialResult(c.fd)) }

// wrapDialError adds the address to the error of a dial.
func (d *driver) wrapDialError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dial tcp %s: %w", d.run.c.Addr, err)
}

// addConn sets the connection of c and adds it to the poller.
func (d *driver) addConn(c *driverConn, fd int, what uint32) error {
	c.fd, c.reused, c.unsent = fd, false, nil
	return d.poller.add(fd, c.index, what)
}

// connected sends the request of c over its new connection.
func (d *driver) connected(c *driverConn) {
	d.dialing--
	d.poller.change(c.fd, c.index, toRead)
	if c.job.request == nil {
		d.makeIdle(c)
		return
	}
	d.transmit(c)
}

// makeIdle makes c idle.
func (d *driver) makeIdle(c *driverConn) {
	c.state, c.reused = idle, true
	d.idle = append(d.idle, c)
}

// transmit sends the request of c from its start.
func (d *driver) transmit(c *driverConn) {
	c.state, c.begun, c.receivedAt = busy, false, 0
	c.ans.keep = c.job.keep
	c.ans.begin()
	n := write(c.fd, c.job.request)
	if c.unsent = c.job.request[n:]; len(c.unsent) > 0 {
		d.poller.change(c.fd, c.index, toRead|toWrite)
	}
	d.countPartial(c)
}

// handle handles the events of a connection.
func (d *driver) handle(c *driverConn, ready uint32) {
	switch {
	case c.state == idle: // the server has closed it, or sends without a request
		d.idle = slices.DeleteFunc(d.idle, func(x *driverConn) bool { return x == c })
		d.release(c)
	case c.state == dialing:
		if err := d.finishConnect(c); err != nil {
			d.finish(c, err)
			return
		}
		d.connected(c)
	case c.state == busy:
		if ready&toWrite != 0 && len(c.unsent) > 0 {
			d.sendMore(c)
		}
		if ready&^toWrite != 0 {
			d.receive(c)
			d.timestamped = d.timestamped || c.receivedAt != 0
		}
	}
	d.countPartial(c)
}

// countPartial updates driver.partial.
func (d *driver) countPartial(c *driverConn) {
	if now := c.state == busy && (c.begun || len(c.unsent) > 0); now != c.partial {
		c.partial = now
		if now {
			d.partial++
		} else {
			d.partial--
		}
	}
}

// sendMore sends more of a large request.
func (d *driver) sendMore(c *driverConn) {
	c.unsent = c.unsent[write(c.fd, c.unsent):]
	if len(c.unsent) == 0 {
		d.poller.change(c.fd, c.index, toRead)
	}
}

// receive reads all received bytes.
func (d *driver) receive(c *driverConn) {
	for d.in.read(c.fd, d.buf[:]) {
		if err := d.in.err(); err != nil {
			d.broken(c, err)
			return
		}
		c.begun, c.receivedAt = true, d.in.receivedAt
		n, err := c.ans.feed(d.buf[:d.in.n])
		if err != nil || c.ans.phase == complete {
			c.ans.close = c.ans.close || n < d.in.n // there are bytes after the answer
			d.finish(c, err)
			return
		}
		d.large = true
		if n < len(d.buf) {
			return // no more bytes
		}
	}
}

// broken handles the end of a connection. The server may have closed an idle connection: if a
// reused connection ends before a byte of the answer, the request is sent again over a new one.
func (d *driver) broken(c *driverConn, err error) {
	if !c.begun && c.reused {
		c.closeConn()
		d.dial(c)
		return
	}
	if c.begun || !errors.Is(err, io.EOF) {
		err = c.ans.end(err)
	}
	d.finish(c, err)
}

// finish records the result of c's request, and reuses the connection if possible.
func (d *driver) finish(c *driverConn, err error) {
	r := d.run
	if c.state == dialing {
		d.dialing--
	}
	d.inFlight--
	if err != nil && r.ctx.Err() != nil {
		r.abandoned.Add(1)
		d.release(c)
		return
	}
	out := r.record(c.job, r.endTime(c.job, c.receivedAt, err), false, &c.ans, err)
	if out == Timeout || err != nil || c.ans.close || len(c.unsent) > 0 {
		d.release(c)
		return
	}
	c.reused = true
	if len(d.waiting) > 0 {
		d.begin(c, d.pop())
		return
	}
	d.makeIdle(c)
}

// release closes the connection of c.
func (d *driver) release(c *driverConn) {
	c.closeConn()
	c.state, c.job = unused, job{}
	d.free = append(d.free, c)
	d.countPartial(c)
}

// closeConn closes the connection.
func (c *driverConn) closeConn() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd) // the error does not matter
		c.fd = -1
	}
}
