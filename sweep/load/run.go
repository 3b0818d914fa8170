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
	pool     *pool          // of open and trace loads that no driver sends
	wg       sync.WaitGroup // every goroutine of the run

	stopped  chan struct{} // closed: nothing more is sent
	stopOnce sync.Once
	stopAt   time.Duration // the run's age then; written before stopped is closed

	sent, abandoned atomic.Int64
	crowded         atomic.Bool // mostClients were not enough

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
	return runWith(ctx, c, newDriver)
}

// runWith is Run with a driver of the caller's.
func runWith(ctx context.Context, c Config, driver driverMaker) (Result, error) {
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
	send, err := r.prepare(plan, driver)
	if err != nil {
		return Result{}, fmt.Errorf("load: %w: is the server running there?", err)
	}
	r.box.reserve(len(plan))
	cpu := cpuTime()
	r.start = time.Now()
	err = r.pace(send)
	return r.result(plan, cpuTime()-cpu), err
}

// driverMaker makes what sends the plan of an open load on one thread, with its
// first connections made; errors.ErrUnsupported where there is no such thing.
type driverMaker func(r *run, conns int) (send func(plan []time.Duration), err error)

// prepare makes the first connections and returns what sends the load: it returns
// when nothing is in flight any more.
func (r *run) prepare(plan []time.Duration, driver driverMaker) (send func(), err error) {
	if r.c.Spec.Mode == Closed {
		conns, err := r.connect(r.c.Spec.Concurrency)
		return func() { r.swept(func() { r.closed(conns) }) }, err
	}
	first := min(firstConns, len(plan))
	if r.c.TLS != nil { // the driver reads and writes sockets, and knows no records
		driver = func(*run, int) (func([]time.Duration), error) { return nil, errors.ErrUnsupported }
	}
	drive, err := driver(r, first)
	if !errors.Is(err, errors.ErrUnsupported) {
		return func() { drive(plan) }, err
	}
	r.pool = newPool(r)
	conns, err := r.connect(first)
	return func() { r.swept(func() { r.open(conns, plan) }) }, err
}

// pace sends everything and returns when every goroutine of the run is gone.
func (r *run) pace(send func()) error {
	done := make(chan struct{})
	r.wg.Go(func() {
		defer close(done)
		send()
	})
	err := r.watch(done)
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
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	pacer := newPacer(r.start, func(left time.Duration) bool { return r.sleep(timer, left-coarseRest) })
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

// sleep waits by a timer of the caller's, and is false when the run was stopped
// meanwhile.
func (r *run) sleep(t *time.Timer, d time.Duration) bool {
	t.Reset(d)
	select {
	case <-t.C:
		return true
	case <-r.stopped:
		return false
	}
}

// swept sends, and ends requests whose time is up meanwhile. Their latency is the
// limit however late it comes, so it need not be exact.
func (r *run) swept(send func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(r.sweepEvery())
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				r.reap()
			}
		}
	})
	send()
	close(done)
	wg.Wait()
}

// sweepEvery is how often requests whose time is up are looked for.
func (r *run) sweepEvery() time.Duration {
	return min(max(r.c.Timeout/50, time.Millisecond), 50*time.Millisecond)
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
	if r.c.Spec.Mode == Closed {
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
func (r *run) stop() {
	r.stopOnce.Do(func() {
		r.stopAt = r.elapsed()
		close(r.stopped)
	})
}

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
