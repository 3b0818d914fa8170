package load

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// The limits of the pool. More concurrent dials could turn one short stall of the generator or
// the server into so many new connections that they cause the next stall.
const (
	initialConns = 8  // made before the run, so that the first requests do not wait for them
	maxDials     = 64 // concurrent dials
)

// pool has the connections of an open load. The pacer sends a request over the idle connection
// that was used last, else over a new one; else the request waits for the first free one. Each
// connection has a goroutine that waits for its answers and, when it is idle, for its end.
type pool struct {
	run *run

	mu          sync.Mutex // guards all below and conn.busy
	idle        []*conn    // the last one was used last
	waiting     []job      // oldest first
	size        int        // connections, also those that are being made
	dialing     int
	inFlight    int       // requests that have not ended, also waiting ones
	requestDone sync.Cond // signalled when inFlight decreases
	ended       bool
}

func newPool(r *run) *pool {
	p := &pool{run: r}
	p.requestDone.L = &p.mu
	return p
}

// addConn adds a connected client to the pool.
func (p *pool) addConn(c *conn) {
	p.mu.Lock()
	p.size++
	p.mu.Unlock()
	p.run.wg.Go(func() { p.serve(c) })
}

// send sends one request. It never waits for the server.
func (p *pool) send(j job) {
	p.run.sent.Add(1)
	p.mu.Lock()
	p.inFlight++
	if len(p.idle) == 0 {
		p.waiting = append(p.waiting, j)
		p.grow()
		p.mu.Unlock()
		return
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	c.busy = true
	c.begin(j)
	nc, raw := c.nc, c.out.raw // the owner may replace them after the unlock
	p.mu.Unlock()
	if c.pacerHasRequest != nil {
		c.pacerHasRequest <- true // does not block: its owner waits for it
		return
	}
	c.transmit(nc, raw, j.request)
}

// transmit sends a request from the pacer's thread. A goroutine writes the part that the socket
// does not accept at once. If the answer has already arrived, the server does not read the
// rest, and the connection is closed.
func (c *conn) transmit(nc net.Conn, raw syscall.RawConn, request []byte) {
	n := c.out.send(raw, request)
	if n == len(request) {
		return
	}
	if !c.sent.CompareAndSwap(sentAll, sentPart) {
		_ = nc.Close() // the owner notices it
		return
	}
	c.run.wg.Go(func() {
		if _, err := nc.Write(request[n:]); err == nil {
			c.sent.CompareAndSwap(sentPart, sentAll)
		}
	})
}

// grow makes connections for waiting requests; mu is held.
func (p *pool) grow() {
	for len(p.waiting) > 0 && p.dialing < maxDials {
		if p.size >= maxClients {
			p.run.atConnLimit.Store(true)
			return
		}
		p.size++
		p.dialing++
		j := p.pop()
		p.run.wg.Go(func() { p.serveNew(j) })
	}
}

// pop removes the request that has waited longest; mu is held.
func (p *pool) pop() job {
	j := p.waiting[0]
	p.waiting = p.waiting[1:]
	return j
}

// serveNew makes a connection for a request and then calls serve.
func (p *pool) serveNew(j job) {
	c := newConn(p.run)
	c.begin(j)
	err := c.connect()
	p.mu.Lock()
	p.dialing--
	p.grow()
	p.mu.Unlock()
	if err == nil {
		err = c.exchange()
	}
	c.finish(err)
	p.requestEnded()
	p.serve(c)
}

// serve reads the answers of a connection until it leaves the pool.
func (p *pool) serve(c *conn) {
	defer c.close()
	for {
		var err error
		switch p.next(c) {
		case leftPool:
			return
		case hasRequest:
			err = c.exchange()
		case isIdle:
			if c.pacerHasRequest != nil { // only the owner of a TLS connection writes to it
				<-c.pacerHasRequest
				if !p.hasJob(c) {
					return
				}
				err = c.exchange()
				break
			}
			var begun bool
			begun, err = c.receive() // blocks here while idle
			if !p.hasJob(c) {
				return
			}
			if stale(begun, err) {
				c.closeConn()
				c.sent.Store(sentAll)
				err = c.exchange()
			}
		}
		c.finish(err)
		p.requestEnded()
	}
}

// step is what a client does next.
type step int

const (
	leftPool   step = iota // it has left the pool
	hasRequest             // send a waiting request
	isIdle                 // wait for a request from the pacer
)

// next returns the next step of a client whose request has ended.
func (p *pool) next(c *conn) step {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.waiting) > 0:
		c.busy = true
		c.begin(p.pop())
		return hasRequest
	case c.nc == nil || p.ended:
		p.size--
		return leftPool
	}
	c.busy = false
	p.idle = append(p.idle, c)
	return isIdle
}

// hasJob reports whether the connection has a request. If not, the server has closed it or the
// run has ended, and it leaves the pool.
func (p *pool) hasJob(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.busy {
		return true
	}
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i] == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	p.size--
	return false
}

// requestEnded decrements inFlight.
func (p *pool) requestEnded() {
	p.mu.Lock()
	p.inFlight--
	p.requestDone.Signal()
	p.mu.Unlock()
}

// expire ends waiting requests that exceed their timeout at now, or all.
func (p *pool) expire(now time.Duration, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := p.run.c.Timeout
	for len(p.waiting) > 0 && (all || p.waiting[0].planned+limit <= now) {
		j := p.pop()
		p.inFlight--
		if all {
			p.run.abandoned.Add(1)
			continue
		}
		p.run.samples.add(Sample{Planned: j.planned, Lag: j.lag, Latency: limit, Outcome: Timeout, Body: j.body})
	}
	p.requestDone.Signal()
}

// end waits until no request is in flight, then ends idle connections.
func (p *pool) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.inFlight > 0 {
		p.requestDone.Wait()
	}
	p.ended = true
	for _, c := range p.idle {
		if c.pacerHasRequest != nil {
			c.pacerHasRequest <- false
			continue
		}
		c.wake()
	}
}
