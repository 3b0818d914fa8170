// Package drive sends load to a server whose settings a target changes: measurements, and live load that makes way
// for changes.
//
// A [Gate] separates loads and changes: no request is in flight while a change runs. [Measure] is one run of a
// measurement, [Gate.Live] sends live load in segments.
package drive

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
)

// Gate is used by a target whose Live runs concurrently with its other methods. The zero value is ready.
type Gate struct {
	changing atomic.Int32 // changes that wait for the end of the running segment of live load
	mu       sync.RWMutex // for reading while a load runs
	closed   bool         // guarded by mu
}

// errClosed is the error of everything after Close.
var errClosed = errors.New("the target is closed")

// Change calls f while no load runs. Live load ends its segment for it.
func (g *Gate) Change(f func() error) error {
	g.changing.Add(1)
	defer g.changing.Add(-1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	return f()
}

// Close calls f while no load runs, the first time. After it there are no changes.
func (g *Gate) Close(f func() error) error {
	g.changing.Add(1)
	defer g.changing.Add(-1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	return f()
}

// Hold prevents changes until release is called. It is for loads and for reading what changes set.
func (g *Gate) Hold() (release func()) {
	g.mu.RLock()
	return g.mu.RUnlock
}

// Run is a run of a load on a server.
type Run struct {
	Config  load.Config                 // of the server; the load and its limits are those of the measurement
	Timeout time.Duration               // of requests; 0 is that of the SLA
	Ended   func() bool                 // whether the server has ended, and with it the load; nil is never
	OnBlock func(elapsed time.Duration) // is called after each block; nil for nothing
}

// Measure runs the load of a measurement until m.Stop returns true or the server ends. why, if not empty, is why m.Stop
// ended it. The caller holds the gate.
func Measure(ctx context.Context, r Run, m sweep.Measurement) (result load.Result, why string, err error) {
	c := r.Config
	c.Spec, c.Seed, c.Max, c.Limit, c.Timeout = m.Load, m.Seed, m.Max, m.Time, r.Timeout
	if c.Timeout == 0 {
		c.Timeout = m.SLA.RequestTimeout()
	}
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		stop, reason := m.Stop(elapsed, samples)
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
		}
		if r.OnBlock != nil {
			r.OnBlock(elapsed)
		}
		return stop || r.hasEnded()
	}
	result, err = load.Run(ctx, c)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, why, err
}

func (r Run) hasEnded() bool { return r.Ended != nil && r.Ended() }

// Live load is sent in segments, which limit the memory of its samples.
const (
	segmentTime     = time.Minute
	segmentRequests = 200_000
	liveBlock       = 100 * time.Millisecond
)

// Live calls segment with one seed after another until ctx ends, or until it returns an error.
func (g *Gate) Live(ctx context.Context, seed uint64, segment func(seed uint64) error) error {
	for ; ; seed++ {
		err := segment(seed)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Segment sends live load until a change waits, the server ends, or a limit is reached. The caller holds the gate.
func (g *Gate) Segment(ctx context.Context, r Run, l load.Spec, seed uint64, onSamples func([]load.Sample)) error {
	c := r.Config
	c.Spec, c.Seed, c.Timeout, c.Limit, c.Block = l, seed, r.Timeout, max(segmentTime, l.Over+1), liveBlock
	passed := 0
	c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
		onSamples(samples[passed:])
		passed = len(samples)
		return g.changing.Load() > 0 || r.hasEnded() || passed > segmentRequests
	}
	_, err := load.Run(ctx, c)
	return err
}
