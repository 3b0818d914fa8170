package load

import (
	"context"
	"sync"
	"time"
)

// Client sends the requests of a load over another protocol than HTTP/1.1, with connections of its
// own. Its methods are safe for concurrent use.
type Client interface {
	// Connect makes the connections for a number of concurrent requests, which may become more. It
	// returns an error if the server cannot be reached. It is called once before each run.
	Connect(ctx context.Context, requests int) error
	// Send sends the request with Config.Bodies[body] and waits for its answer, or for the end of ctx.
	Send(ctx context.Context, body int) Answer
}

// Answer is the answer to a request of a Client.
type Answer struct {
	Status int    // HTTP status that means the same; 0 if there is no answer
	Timing []byte // as a Server-Timing header; nil if the server reports none
	Data   []byte // only read before the next Send
	Err    error  // there is no answer, because the connection is broken or ctx has ended
}

// calls sends an open load with a Client. Each request has a goroutine, which is one that an
// earlier request has left idle, if there is one.
type calls struct {
	run *run

	mu      sync.Mutex // guards all below
	waiting []job      // oldest first
	idle    int        // goroutines that wait for a request
	size    int        // goroutines
	ended   bool
	changed sync.Cond
}

// prepareCalls is prepare for a load with a Client.
func (r *run) prepareCalls(plan []time.Duration) (send func(), err error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.c.Timeout)
	defer cancel()
	if r.c.Spec.Mode == Closed {
		return r.closedCalls, r.c.Client.Connect(ctx, r.c.Spec.Concurrency)
	}
	return func() { r.openCalls(plan) }, r.c.Client.Connect(ctx, min(initialConns, len(plan)))
}

// closedCalls runs one goroutine per client and returns when all have ended.
func (r *run) closedCalls() {
	var wg sync.WaitGroup
	for range r.c.Spec.Concurrency {
		wg.Go(func() { r.client(r.call) })
	}
	wg.Wait()
}

// openCalls sends the plan from a locked thread and returns when no request is in flight.
func (r *run) openCalls(plan []time.Duration) {
	p := &calls{run: r}
	p.changed.L = &p.mu
	r.pace(plan, p.send)
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.changed.Broadcast()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.size > 0 {
		p.changed.Wait()
	}
}

// send gives a request to a goroutine. It never waits for the server.
func (p *calls) send(j job) {
	p.run.sent.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, j)
	switch {
	case p.idle >= len(p.waiting):
		p.changed.Signal()
	case p.size < maxClients:
		p.size++
		p.run.wg.Go(p.serve)
	default:
		p.run.atConnLimit.Store(true)
	}
}

// serve sends waiting requests until the load has ended. Its lag ends when the request is given to
// the Client, so that it has the time in which the goroutine wakes up.
func (p *calls) serve() {
	for {
		j, ok := p.next()
		if !ok {
			return
		}
		j.lag = max(p.run.elapsed()-j.planned, 0)
		_ = p.run.call(j) // its sample has it
	}
}

// next waits for a request; false is the end.
func (p *calls) next() (job, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) == 0 {
		if p.ended {
			p.size--
			p.changed.Broadcast()
			return job{}, false
		}
		p.idle++
		p.changed.Wait()
		p.idle--
	}
	j := p.waiting[0]
	p.waiting = p.waiting[1:]
	return j, true
}

// call sends one request and records its sample. The error is that of a broken connection.
func (r *run) call(j job) error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	// Without a deadline in ctx, which a client may send to the server: HTTP/1.1 has no such header,
	// and a server that knows it may skip late requests.
	timer := time.AfterFunc(j.planned+r.c.Timeout-r.elapsed(), cancel)
	defer timer.Stop()
	a := r.c.Client.Send(ctx, int(j.body))
	now := r.elapsed()
	if a.Err != nil && r.ctx.Err() != nil {
		r.abandoned.Add(1)
		return a.Err
	}
	ans := answer{status: a.Status, keep: j.keep && len(a.Data) <= maxKept, data: a.Data}
	ans.timing.parse(a.Timing)
	r.record(j, now, false, &ans, a.Err)
	return a.Err
}
