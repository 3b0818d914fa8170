package load

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// The pool's bounds. More connections in the making at once would turn one
// hiccup of the generator or the server into a storm of them, which both pay
// for with the next hiccup.
const (
	firstConns = 8  // made before the run, so that the first requests do not pay
	mostDials  = 64 // made at once
)

// pool is the connections of an open load. The pacer hands requests out: to the
// connection used last among the idle ones, else to a new one, else they wait
// for whichever is free first. Each connection has a goroutine that waits for
// its answers, and, when idle, for its end.
type pool struct {
	run *run

	mu       sync.Mutex // guards all below and conn.busy
	idle     []*conn    // the one used last at the end
	waiting  []job      // oldest first
	size     int        // connections, those in the making included
	dialing  int
	inFlight int       // requests handed out and not ended, those waiting included
	fewer    sync.Cond // inFlight has become less
	ended    bool
}

func newPool(r *run) *pool {
	p := &pool{run: r}
	p.fewer.L = &p.mu
	return p
}

// adopt puts a connected client into the pool.
func (p *pool) adopt(c *conn) {
	p.mu.Lock()
	p.size++
	p.mu.Unlock()
	p.run.wg.Go(func() { p.serve(c) })
}

// send hands out one request. It never waits for the server.
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
	nc, raw := c.nc, c.out.raw // its owner may replace them once it is unlocked
	p.mu.Unlock()
	if c.handed != nil {
		c.handed <- true // has room: its owner waits for it
		return
	}
	c.transmit(nc, raw, j.request)
}

// transmit sends a request from the pacer's thread. What the socket does not
// take at once is left to a goroutine. Should the answer already be there, the
// server did not want the rest: the connection ends.
func (c *conn) transmit(nc net.Conn, raw syscall.RawConn, request []byte) {
	n := c.out.send(raw, request)
	if n == len(request) {
		return
	}
	if !c.sent.CompareAndSwap(whole, partly) {
		_ = nc.Close() // its owner sees that
		return
	}
	c.run.wg.Go(func() {
		if _, err := nc.Write(request[n:]); err == nil {
			c.sent.CompareAndSwap(partly, whole)
		}
	})
}

// grow makes connections for requests that wait; mu is held.
func (p *pool) grow() {
	for len(p.waiting) > 0 && p.dialing < mostDials {
		if p.size >= mostClients {
			p.run.crowded.Store(true)
			return
		}
		p.size++
		p.dialing++
		j := p.pop()
		p.run.wg.Go(func() { p.first(j) })
	}
}

// pop takes the request that waits longest; mu is held.
func (p *pool) pop() job {
	j := p.waiting[0]
	p.waiting = p.waiting[1:]
	return j
}

// first makes a connection for a request and serves on.
func (p *pool) first(j job) {
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

// serve reads the answers to a connection's requests until it is not needed.
func (p *pool) serve(c *conn) {
	defer c.leave()
	for {
		var err error
		switch p.next(c) {
		case gone:
			return
		case given:
			err = c.exchange()
		case resting:
			if c.handed != nil { // only the owner of a TLS connection writes to it
				<-c.handed
				if !p.claimed(c) {
					return
				}
				err = c.exchange()
				break
			}
			var begun bool
			begun, err = c.receive() // waits here while idle
			if !p.claimed(c) {
				return
			}
			if stale(begun, err) {
				c.drop()
				c.sent.Store(whole)
				err = c.exchange()
			}
		}
		c.finish(err)
		p.requestEnded()
	}
}

// What a client does next.
type step int

const (
	gone    step = iota // it has left the pool
	given               // a request that waited: send it
	resting             // nothing: the pacer will write to it
)

// next says what a client whose request has ended does.
func (p *pool) next(c *conn) step {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.waiting) > 0:
		c.busy = true
		c.begin(p.pop())
		return given
	case c.nc == nil || p.ended:
		p.size--
		return gone
	}
	c.busy = false
	p.idle = append(p.idle, c)
	return resting
}

// claimed tells whether a request rides on the connection. If none does, the
// server closed it, or the run ended, and it leaves the pool.
func (p *pool) claimed(c *conn) bool {
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

// requestEnded counts a request that has ended.
func (p *pool) requestEnded() {
	p.mu.Lock()
	p.inFlight--
	p.fewer.Signal()
	p.mu.Unlock()
}

// reap ends requests that wait and whose time is up at now, or all.
func (p *pool) reap(now time.Duration, all bool) {
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
		p.run.box.add(Sample{Planned: j.planned, Lag: j.lag, Latency: limit, Outcome: Timeout})
	}
	p.fewer.Signal()
}

// end waits until nothing is in flight, then lets idle connections go.
func (p *pool) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.inFlight > 0 {
		p.fewer.Wait()
	}
	p.ended = true
	for _, c := range p.idle {
		if c.handed != nil {
			c.handed <- false
			continue
		}
		c.wake()
	}
}
