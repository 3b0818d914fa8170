package load

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"
)

// wire is a connection of the driver's with at most one request in flight.
type wire struct {
	number int // its place in driver.wires
	fd     int // -1 without a connection
	state  wireState
	rested bool  // the connection is no new one
	begun  bool  // a byte of the answer has come
	midway bool  // counted in driver.midway
	came   int64 // the last byte of it, in Unix nanoseconds; 0 is not known

	job    job
	unsent []byte // what the socket has not taken yet
	ans    answer
}

// wireState is what a wire is doing.
type wireState uint8

const (
	unused  wireState = iota
	dialing           // with a request, or before the run without one
	idle
	busy
)

// wire returns one without a connection.
func (d *driver) wire() *wire {
	if n := len(d.free); n > 0 {
		w := d.free[n-1]
		d.free = d.free[:n-1]
		return w
	}
	w := &wire{number: len(d.wires), fd: -1}
	d.wires = append(d.wires, w)
	return w
}

// dial makes a new connection for a wire's request.
func (d *driver) dial(w *wire) {
	w.state = dialing
	d.dialing++
	if err := d.reach(w); err != nil {
		d.finish(w, err)
	}
}

// reach begins a connection for a wire, reached is how that ended.
func (d *driver) reach(w *wire) error {
	fd, err := dial(d.at)
	if err == nil {
		err = d.adopt(w, fd, toWrite)
	}
	return d.named(err)
}

func (d *driver) reached(w *wire) error { return d.named(dialled(w.fd)) }

// named says whom an error of dialling is about.
func (d *driver) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dial tcp %s: %w", d.run.c.Addr, err)
}

// adopt gives a wire a connection.
func (d *driver) adopt(w *wire, fd int, what uint32) error {
	w.fd, w.rested, w.unsent = fd, false, nil
	return d.poller.add(fd, w.number, what)
}

// connected goes on with a connection that was made.
func (d *driver) connected(w *wire) {
	d.dialing--
	d.poller.change(w.fd, w.number, toRead)
	if w.job.request == nil {
		d.rest(w)
		return
	}
	d.transmit(w)
}

// rest makes a wire idle.
func (d *driver) rest(w *wire) {
	w.state, w.rested = idle, true
	d.idle = append(d.idle, w)
}

// transmit sends the request of a wire from its start.
func (d *driver) transmit(w *wire) {
	w.state, w.begun, w.came = busy, false, 0
	w.ans.begin()
	n := write(w.fd, w.job.request)
	if w.unsent = w.job.request[n:]; len(w.unsent) > 0 {
		d.poller.change(w.fd, w.number, toRead|toWrite)
	}
	d.count(w)
}

// handle does what a connection is ready for.
func (d *driver) handle(w *wire, ready uint32) {
	switch {
	case w.state == idle: // ended by the server, or it says what nobody asked for
		d.idle = slices.DeleteFunc(d.idle, func(x *wire) bool { return x == w })
		d.release(w)
	case w.state == dialing:
		if err := d.reached(w); err != nil {
			d.finish(w, err)
			return
		}
		d.connected(w)
	case w.state == busy:
		if ready&toWrite != 0 && len(w.unsent) > 0 {
			d.sendMore(w)
		}
		if ready&^toWrite != 0 {
			d.receive(w)
			d.stamped = d.stamped || w.came != 0
		}
	}
	d.count(w)
}

// count keeps count of the wires that are midway.
func (d *driver) count(w *wire) {
	if now := w.state == busy && (w.begun || len(w.unsent) > 0); now != w.midway {
		w.midway = now
		if now {
			d.midway++
		} else {
			d.midway--
		}
	}
}

// sendMore sends what the socket takes by now of a large request.
func (d *driver) sendMore(w *wire) {
	w.unsent = w.unsent[write(w.fd, w.unsent):]
	if len(w.unsent) == 0 {
		d.poller.change(w.fd, w.number, toRead)
	}
}

// receive reads what has come.
func (d *driver) receive(w *wire) {
	for d.in.read(w.fd, d.buf[:]) {
		if err := d.in.err(); err != nil {
			d.broken(w, err)
			return
		}
		w.begun, w.came = true, d.in.came
		n, err := w.ans.feed(d.buf[:d.in.n])
		if err != nil || w.ans.phase == complete {
			w.ans.close = w.ans.close || n < d.in.n // it says more than an answer
			d.finish(w, err)
			return
		}
		d.large = true
		if n < len(d.buf) {
			return // that was all
		}
	}
}

// broken goes on after the end of a connection. The server may have closed one
// that rested: if it dies without a byte of answer, the request is sent once more
// on a new one.
func (d *driver) broken(w *wire, err error) {
	if !w.begun && w.rested {
		w.drop()
		d.dial(w)
		return
	}
	if w.begun || !errors.Is(err, io.EOF) {
		err = w.ans.end(err)
	}
	d.finish(w, err)
}

// finish records how a wire's request ended, and goes on with the connection if
// it can carry another.
func (d *driver) finish(w *wire, err error) {
	r := d.run
	if w.state == dialing {
		d.dialing--
	}
	d.inFlight--
	if err != nil && r.ctx.Err() != nil {
		r.abandoned.Add(1)
		d.release(w)
		return
	}
	out := r.record(w.job, r.ended(w.job, w.came, err), false, &w.ans, err)
	if out == Timeout || err != nil || w.ans.close || len(w.unsent) > 0 {
		d.release(w)
		return
	}
	w.rested = true
	if len(d.waiting) > 0 {
		d.begin(w, d.pop())
		return
	}
	d.rest(w)
}

// release closes a wire's connection.
func (d *driver) release(w *wire) {
	w.drop()
	w.state, w.job = unused, job{}
	d.free = append(d.free, w)
	d.count(w)
}

// drop closes the connection.
func (w *wire) drop() {
	if w.fd >= 0 {
		_ = unix.Close(w.fd) // nothing is lost with it
		w.fd = -1
	}
}
