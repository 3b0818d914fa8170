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
	ctx      context.Context // its end abandons the requests in flight
	start    time.Time
	samples  sampleBuffer
	keeper   *keeper        // nil if no answers are kept
	pool     *pool          // sends open and trace loads if there is no driver
	throttle *throttle      // nil if the rate has no limit
	wg       sync.WaitGroup // every goroutine of the run

	stopped  chan struct{} // closed: nothing more is sent
	stopOnce sync.Once
	stopAt   time.Duration // elapsed time of the stop; written before stopped is closed

	sent, abandoned atomic.Int64
	held            atomic.Int64 // requests that the throttle held back
	atConnLimit     atomic.Bool  // all maxClients connections were in use

	mu        sync.Mutex // guards all below
	conns     map[*conn]struct{}
	firstErr  string
	exhausted error // the resource that this machine has used up
}

// Run sends the load and returns the result.
//
// It ends when the plan is done, when OnBlock returns true, or at the limits; then it waits
// for the requests in flight, at most for Timeout. When ctx ends, it abandons the requests in
// flight and returns the result so far, with ctx's cause as the error. It is an error if the
// server cannot be reached at the start; if that happens later, requests fail.
func Run(ctx context.Context, c Config) (Result, error) {
	return runWith(ctx, c, newDriver)
}

// runWith is Run with another driver.
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
		stopped: make(chan struct{}), conns: map[*conn]struct{}{}, keeper: newKeeper(c.Keep, len(c.Bodies), c.Seed),
		throttle: newThrottle(c),
	}
	send, err := r.prepare(plan, driver)
	if err != nil {
		return Result{}, fmt.Errorf("load: %w: is the server running there?", err)
	}
	r.samples.reserve(len(plan))
	cpu := cpuTime()
	r.start = time.Now()
	err = r.sendAll(send)
	return r.result(plan, cpuTime()-cpu), err
}

// driverMaker makes a driver with its first connections and returns a function that sends the
// plan of an open load on one thread. It returns errors.ErrUnsupported if the system has no
// driver.
type driverMaker func(r *run, conns int) (send func(plan []time.Duration), err error)

// prepare makes the first connections. It returns a function that sends the load and returns
// when no request is in flight.
func (r *run) prepare(plan []time.Duration, driver driverMaker) (send func(), err error) {
	if r.c.Client != nil {
		return r.prepareCalls(plan)
	}
	if r.c.Spec.Mode == Closed {
		conns, err := r.connect(r.c.Spec.Concurrency)
		return func() { r.sendWithExpiry(func() { r.closed(conns) }) }, err
	}
	first := min(initialConns, len(plan))
	if r.c.TLS != nil { // the driver does not support TLS
		driver = func(*run, int) (func([]time.Duration), error) { return nil, errors.ErrUnsupported }
	}
	sendPlan, err := driver(r, first)
	if !errors.Is(err, errors.ErrUnsupported) {
		return func() { sendPlan(plan) }, err
	}
	r.pool = newPool(r)
	conns, err := r.connect(first)
	return func() { r.sendWithExpiry(func() { r.open(conns, plan) }) }, err
}

// sendAll sends the load and returns when every goroutine of the run has ended.
func (r *run) sendAll(send func()) error {
	done := make(chan struct{})
	r.wg.Go(func() {
		defer close(done)
		send()
	})
	err := r.watch(done)
	r.wg.Wait()
	return err
}

// connect makes n clients with their connections: first one, to check that the server can be
// reached, then the others concurrently.
func (r *run) connect(n int) ([]*conn, error) {
	conns, errs := make([]*conn, n), make([]error, n)
	dial := func(i int) {
		conns[i] = newConn(r)
		errs[i] = conns[i].connect()
		conns[i].reused = true // when it is used
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
				c.close()
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
			defer c.close()
			r.client(c.send)
		})
	}
	wg.Wait()
}

// client sends one request after the other. After a broken connection, which is the error of send,
// it pauses, so that it does not flood a server that has ended.
func (r *run) client(send func(job) error) {
	const pause = 50 * time.Millisecond
	for !r.stopping() {
		held, ok := r.throttle.wait(r.elapsed, r.stopped)
		if !ok {
			return
		}
		n := r.sent.Add(1)
		if r.c.Max > 0 && n > int64(r.c.Max) {
			r.sent.Add(-1)
			return
		}
		if held {
			r.held.Add(1)
		}
		j := r.job(n, r.elapsed(), 0)
		j.held = held
		if send(j) != nil {
			select {
			case <-time.After(pause):
			case <-r.stopped:
			}
		}
	}
}

// open sends the plan from a locked thread and returns when no request is in flight.
func (r *run) open(conns []*conn, plan []time.Duration) {
	for _, c := range conns {
		r.pool.addConn(c)
	}
	r.pace(plan, r.pool.send)
	r.pool.end()
}

// pace calls send at each time of the plan, from a locked thread.
func (r *run) pace(plan []time.Duration, send func(job)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	pacer := newPacer(r.start, func(left time.Duration) bool { return r.sleep(timer, left-timerMargin) })
	defer pacer.end()
	for i, t := range plan {
		now := pacer.wait(t)
		if r.stopping() {
			break
		}
		send(r.job(int64(i), t, max(now-t, 0)))
	}
}

// sleep waits with the caller's timer. It returns false if the run is stopped.
func (r *run) sleep(t *time.Timer, d time.Duration) bool {
	t.Reset(d)
	select {
	case <-t.C:
		return true
	case <-r.stopped:
		return false
	}
}

// sendWithExpiry calls send, and meanwhile ends requests that exceed their timeout. It need not
// be exact, because their latency is the timeout.
func (r *run) sendWithExpiry(send func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(r.expiryInterval())
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				r.expire()
			}
		}
	})
	send()
	close(done)
	wg.Wait()
}

// expiryInterval returns the interval of searches for requests that exceed their timeout.
func (r *run) expiryInterval() time.Duration {
	return min(max(r.c.Timeout/50, time.Millisecond), 50*time.Millisecond)
}

// expire ends requests that exceed their timeout, or all if the context has ended.
func (r *run) expire() {
	now, all := r.elapsed(), r.ctx.Err() != nil
	if r.pool != nil {
		r.pool.expire(now, all)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.expire(now, all)
	}
}

// watch calls OnBlock after every block until the load is sent, and stops the run if it must
// end.
func (r *run) watch(done <-chan struct{}) error {
	tick := time.NewTicker(r.c.Block)
	defer tick.Stop()
	var limit <-chan time.Time // only for closed loads: a plan ends by itself, and late requests are still sent
	if r.c.Spec.Mode == Closed {
		timer := time.NewTimer(r.c.Limit)
		defer timer.Stop()
		limit = timer.C
	}
	ended := r.ctx.Done()
	for {
		select {
		case <-done:
			r.samples.collect()
			if ended == nil {
				return context.Cause(r.ctx)
			}
			return nil
		case <-ended:
			r.stop()
			r.expire()
			ended = nil
		case <-limit:
			r.stop()
		case <-tick.C:
			samples := r.samples.collect()
			if r.c.OnBlock != nil && !r.stopping() && r.c.OnBlock(r.elapsed(), samples) {
				r.stop()
			}
		}
	}
}

// stop ends sending.
func (r *run) stop() {
	r.stopOnce.Do(func() {
		r.stopAt = r.elapsed()
		close(r.stopped)
	})
}

// stopping reports whether stop was called.
func (r *run) stopping() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

// elapsed returns the time since the start of the run.
func (r *run) elapsed() time.Duration { return time.Since(r.start) }

// job returns the n-th request; the bodies are used in turn.
func (r *run) job(n int64, planned, lag time.Duration) job {
	body := n % int64(len(r.requests))
	return job{planned: planned, lag: lag, request: r.requests[body], body: int32(body), keep: r.keeper.wants(n, int32(body))}
}

// recordError records the first transport error, and the resource that is used up.
func (r *run) recordError(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.firstErr == "" {
		r.firstErr = err.Error()
	}
	for _, resource := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, resource) {
			r.exhausted = resource
		}
	}
}
