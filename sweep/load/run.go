package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// run is one run in progress.
type run struct {
	c        Config
	requests [][]byte
	ctx      context.Context // the run's: its end abandons what is in flight
	start    time.Time
	box      box
	pool     *pool          // of open and trace loads
	wg       sync.WaitGroup // every goroutine of the run

	stopped  chan struct{} // closed: nothing more is sent
	stopOnce sync.Once

	sent, abandoned atomic.Int64

	mu        sync.Mutex // guards all below
	conns     map[*conn]struct{}
	firstErr  string
	exhausted error // this machine ran out of something
}

// Run sends the load and returns what it saw.
//
// It ends when the plan is done, when OnBlock says so, or at the limits; it
// then awaits what is in flight, at most Timeout long. When ctx ends, requests
// in flight are abandoned uncounted, and the result so far comes with ctx's
// cause as the error. A server that cannot be reached at the start is an error;
// one that vanishes later makes failed requests.
func Run(ctx context.Context, c Config) (Result, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return Result{}, fmt.Errorf("load: %w", err)
	}
	plan, err := c.plan()
	if err != nil {
		return Result{}, fmt.Errorf("load: %w", err)
	}
	r := &run{
		c: c, requests: c.requests(), ctx: ctx, start: time.Now(),
		stopped: make(chan struct{}), conns: map[*conn]struct{}{},
	}
	first := c.Spec.Concurrency
	if c.Spec.Mode != Closed {
		first, r.pool = min(firstConns, len(plan)), newPool(r)
	}
	conns, err := r.connect(first)
	if err != nil {
		return Result{}, fmt.Errorf("load: %w: is the server running there?", err)
	}
	r.box.reserve(len(plan))
	cpu := cpuTime()
	r.start = time.Now()
	err = r.drive(conns, plan)
	return r.result(plan, cpuTime()-cpu), err
}

// drive sends everything and returns when every goroutine of the run is gone.
func (r *run) drive(conns []*conn, plan []time.Duration) error {
	done, swept := make(chan struct{}), make(chan struct{})
	r.wg.Go(func() { r.sweep(swept) })
	r.wg.Go(func() {
		defer close(done)
		if r.pool == nil {
			r.closed(conns)
		} else {
			r.open(conns, plan)
		}
	})
	err := r.watch(done)
	close(swept)
	r.wg.Wait()
	return err
}

// connect makes n clients with their connections: one to see whether the server
// is there, then all others at once.
func (r *run) connect(n int) ([]*conn, error) {
	conns, errs := make([]*conn, n), make([]error, n)
	dial := func(i int) {
		conns[i] = newConn(r)
		errs[i] = conns[i].connect()
		conns[i].rested = true // by the time it is used
	}
	if n > 0 {
		dial(0)
	}
	if n > 0 && errs[0] == nil {
		var wg sync.WaitGroup
		for i := 1; i < n; i++ {
			wg.Go(func() { dial(i) })
		}
		wg.Wait()
	}
	for _, err := range errs {
		if err == nil {
			continue
		}
		for _, c := range conns {
			if c != nil {
				c.leave()
			}
		}
		return nil, err
	}
	return conns, nil
}

// closed runs one goroutine per client and returns when all have ended.
func (r *run) closed(conns []*conn) {
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			defer c.leave()
			r.client(c)
		})
	}
	wg.Wait()
}

// client sends one request after the other. After a broken connection it rests,
// so that a server that vanished is not hammered.
func (r *run) client(c *conn) {
	const rest = 50 * time.Millisecond
	for !r.stopping() {
		n := r.sent.Add(1)
		if r.c.Max > 0 && n > int64(r.c.Max) {
			r.sent.Add(-1)
			return
		}
		c.begin(job{planned: r.elapsed(), request: r.request(n)})
		err := c.exchange()
		c.finish(err)
		if err != nil {
			select {
			case <-time.After(rest):
			case <-r.stopped:
			}
		}
	}
}

// open sends the plan from a locked thread and returns when nothing is in
// flight any more.
func (r *run) open(conns []*conn, plan []time.Duration) {
	for _, c := range conns {
		r.pool.adopt(c)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pacer := newPacer(r.start, r.stopped)
	defer pacer.end()
	for i, t := range plan {
		now := pacer.wait(t)
		if r.stopping() {
			break
		}
		r.pool.send(job{planned: t, lag: max(now-t, 0), request: r.request(int64(i))})
	}
	r.pool.end()
}

// sweep ends requests whose time is up, until done. Their latency is the limit
// however late it comes, so it need not be exact.
func (r *run) sweep(done <-chan struct{}) {
	tick := time.NewTicker(min(max(r.c.Timeout/50, time.Millisecond), 50*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			r.reap()
		}
	}
}

// reap ends requests whose time is up; all, once the context has ended.
func (r *run) reap() {
	now, all := r.elapsed(), r.ctx.Err() != nil
	if r.pool != nil {
		r.pool.reap(now, all)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.reap(now, all)
	}
}

// watch asks OnBlock after every block until all is done, and stops the run
// when it has to end.
func (r *run) watch(done <-chan struct{}) error {
	tick := time.NewTicker(r.c.Block)
	defer tick.Stop()
	var limit <-chan time.Time // a plan ends by itself, and late requests are still sent
	if r.pool == nil {
		timer := time.NewTimer(r.c.Limit)
		defer timer.Stop()
		limit = timer.C
	}
	ended := r.ctx.Done()
	for {
		select {
		case <-done:
			r.box.gather()
			if ended == nil {
				return context.Cause(r.ctx)
			}
			return nil
		case <-ended:
			r.stop()
			r.reap()
			ended = nil
		case <-limit:
			r.stop()
		case <-tick.C:
			samples := r.box.gather()
			if r.c.OnBlock != nil && !r.stopping() && r.c.OnBlock(r.elapsed(), samples) {
				r.stop()
			}
		}
	}
}

// stop ends the sending.
func (r *run) stop() { r.stopOnce.Do(func() { close(r.stopped) }) }

// stopping tells whether the sending has ended.
func (r *run) stopping() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

// elapsed is the run's age.
func (r *run) elapsed() time.Duration { return time.Since(r.start) }

// request is the n-th request: bodies take turns.
func (r *run) request(n int64) []byte { return r.requests[n%int64(len(r.requests))] }

// trouble keeps the first transport error, and what this machine ran out of.
func (r *run) trouble(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.firstErr == "" {
		r.firstErr = err.Error()
	}
	for _, short := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, short) {
			r.exhausted = short
		}
	}
}
