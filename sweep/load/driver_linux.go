package load

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// driver sends an open load and reads its answers on one thread. Between two requests it
// sleeps; when it wakes up for the next request, it reads the answers that have arrived. It need
// not wake up for an answer, because the kernel records the time of arrival: a request costs one
// wake-up and four system calls. Only parts of large requests and answers wake it up, so that
// the server does not wait for it.
//
// Only that thread uses a driver, so it has no locks.
type driver struct {
	run    *run
	server unix.Sockaddr
	poller *poller
	pacer  *pacer
	timer  *time.Timer
	in     socketReader
	buf    [maxLine]byte

	conns       []*driverConn
	free        []*driverConn // without a connection
	idle        []*driverConn // the last one was used last
	waiting     []job         // oldest first
	dialing     int
	inFlight    int  // requests that have not ended, also waiting ones
	partial     int  // connections that have sent a part of a request or received a part of an answer
	timestamped bool // the kernel reports when bytes were received
	large       bool // an answer has arrived in several parts
	nextExpiry  time.Duration
}

// maxUnpolled is the largest number of late requests that are sent before sockets are checked.
const maxUnpolled = 8

// newDriver makes the first connections: one, to check that the server can be reached, then
// the others.
func newDriver(r *run, conns int) (send func([]time.Duration), err error) {
	if conns == 0 {
		return nil, errors.ErrUnsupported
	}
	fd, server, err := dialFirst(r.ctx, r.c.Addr, r.c.Timeout)
	if err != nil {
		return nil, err
	}
	d := &driver{run: r, server: server}
	if d.poller, err = newPoller(); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	c := d.unusedConn()
	if err = d.addConn(c, fd, toRead); err == nil {
		d.makeIdle(c)
		err = d.connect(conns - 1)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d.open, nil
}

// connect makes n connections and waits for them.
func (d *driver) connect(n int) error {
	for range n {
		c := d.unusedConn()
		c.state = dialing
		d.dialing++
		if err := d.startConnect(c); err != nil {
			return err
		}
	}
	for end := time.Now().Add(d.run.c.Timeout); d.dialing > 0; {
		if time.Now().After(end) || d.run.ctx.Err() != nil {
			return errors.New("the first connections were not all made in time")
		}
		d.poller.wait(d.run.expiryInterval())
		for _, e := range d.poller.ready() {
			c := d.conns[e.Fd]
			if c.state != dialing {
				continue
			}
			if err := d.finishConnect(c); err != nil {
				return err
			}
			d.connected(c)
		}
	}
	return nil
}

// open sends the plan and returns when no request is in flight.
func (d *driver) open(plan []time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer d.close()
	d.timer = time.NewTimer(time.Hour)
	defer d.timer.Stop()
	d.pacer = newPacer(d.run.start, d.wait)
	defer d.pacer.end()
	d.updateLongWait()
	unpolled := 0
	for i, t := range plan {
		now := d.pacer.wait(t)
		if d.run.stopping() {
			break
		}
		d.send(d.run.job(int64(i), t, max(now-t, 0)))
		// The next request is late already: answers can wait, since the kernel has recorded their times.
		if unpolled++; d.timestamped && unpolled < maxUnpolled && i+1 < len(plan) && plan[i+1] <= now {
			continue
		}
		unpolled = 0
		d.poll()
	}
	for d.inFlight > 0 {
		d.poller.wait(d.run.expiryInterval())
		d.poll()
	}
}

// wait waits for a part of the time before the next request and handles events. It returns
// false if the run is stopped.
func (d *driver) wait(left time.Duration) bool {
	tick := d.run.expiryInterval()
	if d.watchesSockets() {
		d.poller.wait(min(left-maxLead, tick))
	} else if !d.run.sleep(d.timer, min(left-timerMargin, tick)) {
		return false
	}
	d.poll()
	return !d.run.stopping()
}

// watchesSockets reports whether events of sockets must end a wait: if the kernel reports no
// times, or if the server waits until the driver reads or writes. Whether it will do so for the
// next answer is guessed from the previous ones.
func (d *driver) watchesSockets() bool {
	return !d.timestamped || d.partial > 0 || d.large && d.inFlight > 0
}

// close closes all connections.
func (d *driver) close() {
	for _, c := range d.conns {
		c.closeConn()
	}
	d.poller.close()
}

// send sends one request over the idle connection that was used last, else over a new one; else
// the request waits for the first free one.
func (d *driver) send(j job) {
	d.run.sent.Add(1)
	d.inFlight++
	if len(d.idle) == 0 {
		d.poll() // answers may have arrived
	}
	if n := len(d.idle); n > 0 {
		c := d.idle[n-1]
		d.idle = d.idle[:n-1]
		d.begin(c, j)
		return
	}
	d.waiting = append(d.waiting, j)
	d.grow()
}

// begin sends a request over an idle connection.
func (d *driver) begin(c *driverConn, j job) {
	c.job = j
	d.transmit(c)
}

// grow makes connections for waiting requests.
func (d *driver) grow() {
	for len(d.waiting) > 0 && d.dialing < maxDials {
		if len(d.conns)-len(d.free) >= maxClients {
			d.run.atConnLimit.Store(true)
			return
		}
		c := d.unusedConn()
		c.job = d.pop()
		d.dial(c)
	}
}

// pop removes the request that has waited longest.
func (d *driver) pop() job {
	j := d.waiting[0]
	d.waiting = d.waiting[1:]
	return j
}

// poll handles all events, without waiting.
func (d *driver) poll() {
	for _, e := range d.poller.ready() {
		d.handle(d.conns[e.Fd], e.Events)
	}
	d.grow()
	d.updateLongWait()
	if now := d.run.elapsed(); now >= d.nextExpiry {
		d.nextExpiry = now + d.run.expiryInterval()
		d.expire(now, d.run.ctx.Err() != nil)
	}
}

// updateLongWait sets the longest wait in which the pacer does not check sockets.
func (d *driver) updateLongWait() {
	d.pacer.longWait = longWait
	if d.watchesSockets() {
		d.pacer.longWait = maxLead
	}
}

// expire ends requests that exceed their timeout at now, or all.
func (d *driver) expire(now time.Duration, all bool) {
	if d.inFlight == 0 {
		return
	}
	limit := d.run.c.Timeout
	for len(d.waiting) > 0 && (all || d.waiting[0].planned+limit <= now) {
		d.endUnanswered(d.pop(), all)
	}
	for _, c := range d.conns {
		if c.state != busy && c.state != dialing || !all && c.job.planned+limit > now {
			continue
		}
		if c.state == dialing {
			d.dialing--
		}
		d.endUnanswered(c.job, all)
		d.release(c)
	}
}

// endUnanswered ends a request without an answer.
func (d *driver) endUnanswered(j job, abandoned bool) {
	d.inFlight--
	if abandoned {
		d.run.abandoned.Add(1)
		return
	}
	d.run.record(j, 0, true, nil, nil)
}
