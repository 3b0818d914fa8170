package load

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// driver sends an open load and reads its answers, all on one thread: between two
// sends it sleeps, and when it wakes for the next it reads what has come. Since the
// kernel tells when that was, nobody has to wake up for an answer: a request costs
// one wake-up and four system calls. Only the parts of large requests and answers
// wake it, lest the server wait for it.
//
// It belongs to that thread, and nothing in it is locked.
type driver struct {
	run    *run
	at     unix.Sockaddr
	poller *poller
	pacer  *pacer
	timer  *time.Timer
	in     inlet
	buf    [lineMost]byte

	wires    []*wire
	free     []*wire // without a connection
	idle     []*wire // the one used last at the end
	waiting  []job   // oldest first
	dialing  int
	inFlight int  // requests handed out and not ended, those waiting included
	midway   int  // wires with a part of a request to send or of an answer to read
	stamped  bool // the kernel tells when bytes came
	large    bool // an answer came in parts
	swept    time.Duration
}

// newDriver makes the first connections, one to see whether the server is there,
// then the others.
func newDriver(r *run, conns int) (send func([]time.Duration), err error) {
	if conns == 0 {
		return nil, errors.ErrUnsupported
	}
	fd, at, err := dialFirst(r.ctx, r.c.Addr, r.c.Timeout)
	if err != nil {
		return nil, err
	}
	d := &driver{run: r, at: at}
	if d.poller, err = newPoller(); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	w := d.wire()
	if err = d.adopt(w, fd, toRead); err == nil {
		d.rest(w)
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
		w := d.wire()
		w.state = dialing
		d.dialing++
		if err := d.reach(w); err != nil {
			return err
		}
	}
	for end := time.Now().Add(d.run.c.Timeout); d.dialing > 0; {
		if time.Now().After(end) || d.run.ctx.Err() != nil {
			return errors.New("not all of the first connections were made in time")
		}
		d.poller.wait(d.run.sweepEvery())
		for _, e := range d.poller.ready() {
			w := d.wires[e.Fd]
			if w.state != dialing {
				continue
			}
			if err := d.reached(w); err != nil {
				return err
			}
			d.connected(w)
		}
	}
	return nil
}

// open sends the plan and returns when nothing is in flight any more.
func (d *driver) open(plan []time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer d.close()
	d.timer = time.NewTimer(time.Hour)
	defer d.timer.Stop()
	d.pacer = newPacer(d.run.start, d.wait)
	defer d.pacer.end()
	d.settle()
	for i, t := range plan {
		now := d.pacer.wait(t)
		if d.run.stopping() {
			break
		}
		d.send(job{planned: t, lag: max(now-t, 0), request: d.run.request(int64(i))})
		d.poll()
	}
	for d.inFlight > 0 {
		d.poller.wait(d.run.sweepEvery())
		d.poll()
	}
}

// wait waits for most of the time that is left before the next request, and does
// what there is to do. It is false when there is no next request.
func (d *driver) wait(left time.Duration) bool {
	tick := d.run.sweepEvery()
	if d.attentive() {
		d.poller.wait(min(left-leadMost, tick))
	} else if !d.run.sleep(d.timer, min(left-coarseRest, tick)) {
		return false
	}
	d.poll()
	return !d.run.stopping()
}

// attentive tells whether the sockets are to end a wait: an answer counts as come
// when we read it, or the server waits for us to read and to write. That it will
// for the next answer is known from those before.
func (d *driver) attentive() bool {
	return !d.stamped || d.midway > 0 || d.large && d.inFlight > 0
}

// close closes all connections.
func (d *driver) close() {
	for _, w := range d.wires {
		w.drop()
	}
	d.poller.close()
}

// send hands out one request: to the connection used last among the idle ones,
// else to a new one, else it waits for whichever is free first.
func (d *driver) send(j job) {
	d.run.sent.Add(1)
	d.inFlight++
	if len(d.idle) == 0 {
		d.poll() // answers may have come
	}
	if n := len(d.idle); n > 0 {
		w := d.idle[n-1]
		d.idle = d.idle[:n-1]
		d.begin(w, j)
		return
	}
	d.waiting = append(d.waiting, j)
	d.grow()
}

// begin sends a request over an idle connection.
func (d *driver) begin(w *wire, j job) {
	w.job = j
	d.transmit(w)
}

// grow makes connections for requests that wait.
func (d *driver) grow() {
	for len(d.waiting) > 0 && d.dialing < mostDials {
		if len(d.wires)-len(d.free) >= mostClients {
			d.run.crowded.Store(true)
			return
		}
		w := d.wire()
		w.job = d.pop()
		d.dial(w)
	}
}

// pop takes the request that waits longest.
func (d *driver) pop() job {
	j := d.waiting[0]
	d.waiting = d.waiting[1:]
	return j
}

// poll does what there is to do, without waiting.
func (d *driver) poll() {
	for _, e := range d.poller.ready() {
		d.handle(d.wires[e.Fd], e.Events)
	}
	d.grow()
	d.settle()
	if now := d.run.elapsed(); now >= d.swept {
		d.swept = now + d.run.sweepEvery()
		d.reap(now, d.run.ctx.Err() != nil)
	}
}

// settle decides which waits may be slept through: those up to coarse, or hardly
// any.
func (d *driver) settle() {
	d.pacer.coarse = coarse
	if d.attentive() {
		d.pacer.coarse = leadMost
	}
}

// reap cuts off the requests whose time is up at now, or all.
func (d *driver) reap(now time.Duration, all bool) {
	if d.inFlight == 0 {
		return
	}
	limit := d.run.c.Timeout
	for len(d.waiting) > 0 && (all || d.waiting[0].planned+limit <= now) {
		d.cut(d.pop(), all)
	}
	for _, w := range d.wires {
		if w.state != busy && w.state != dialing || !all && w.job.planned+limit > now {
			continue
		}
		if w.state == dialing {
			d.dialing--
		}
		d.cut(w.job, all)
		d.release(w)
	}
}

// cut ends a request without an answer.
func (d *driver) cut(j job, abandoned bool) {
	d.inFlight--
	if abandoned {
		d.run.abandoned.Add(1)
		return
	}
	d.run.record(j, 0, true, nil, nil)
}
