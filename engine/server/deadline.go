package server

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// longestArm is the longest time for which a deadline is armed. It is headerTime, so that the
// deadline for the headers of the next request is never earlier than an armed one.
const longestArm = headerTime

// deadline is the deadline of the reads or of the writes of a connection. net/http and the
// body limit set the read deadline seven times for each request, and nearly always a later
// deadline replaces one that was never reached. Each time costs a lock and a timer of the
// runtime. Therefore a deadline is armed only if none or a later one is armed; an operation
// that ends at an armed deadline before the wanted one arms it again and continues.
//
// It is safe for concurrent use.
type deadline struct {
	arm func(time.Time) error // of the connection

	mu     sync.Mutex
	wanted time.Time // zero is none
	armed  time.Time // zero is none
	// ended is set if armed was in the past when it was armed: net/http ends a read so.
	ended atomic.Bool
}

// set sets the deadline; a zero t is none.
func (d *deadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	switch {
	case t.IsZero(): // what is armed, if anything, ends an operation too early but not finally
		return nil
	case !d.armed.IsZero() && !d.ended.Load() && !t.Before(d.armed):
		return nil
	}
	return d.armNow(time.Now())
}

// prepare arms the wanted deadline before an operation if the armed one would end it at once.
func (d *deadline) prepare() error {
	if !d.ended.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if d.isOver(now) {
		return nil
	}
	return d.armNow(now)
}

// continues reports whether an operation that ended with err must continue, because the armed
// deadline was reached and the wanted one was not.
func (d *deadline) continues(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	return !d.isOver(now) && d.armNow(now) == nil
}

// isOver reports whether the wanted deadline has passed. The lock is held.
func (d *deadline) isOver(now time.Time) bool { return !d.wanted.IsZero() && !now.Before(d.wanted) }

// armNow arms the wanted deadline, at most longestArm from now. The lock is held.
func (d *deadline) armNow(now time.Time) error {
	t := d.wanted
	if latest := now.Add(longestArm); t.After(latest) {
		t = latest
	}
	d.armed = t
	d.ended.Store(!t.IsZero() && t.Before(now))
	return d.arm(t)
}
