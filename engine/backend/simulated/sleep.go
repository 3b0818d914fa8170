package simulated

import (
	"context"
	"time"
)

// Long waits are left to the runtime's timer, which is late by a millisecond at
// times; the end of each is slept by the thread itself, which no cancellation
// reaches.
const (
	finish = 3 * time.Millisecond // at most this before the end the thread takes over
	early  = 2 * time.Millisecond // by so much the timer is set to wake before the end
)

// sleep waits until the given time, or less if ctx ends.
func sleep(ctx context.Context, until time.Time) error {
	if left := time.Until(until); left > finish {
		t := time.NewTimer(left - early)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	nap(until)
	return nil
}
