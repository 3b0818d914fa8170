package simulated

import (
	"context"
	"time"
)

// The runtime's timer, which may be a millisecond late, waits for most of a long sleep. The
// thread itself sleeps for the rest, which cannot be cancelled.
const (
	threadSleep = 3 * time.Millisecond // longest sleep of the thread alone
	timerMargin = 2 * time.Millisecond // the timer ends so long before the end of the sleep
)

// sleep waits until the given time or the end of ctx.
func sleep(ctx context.Context, until time.Time) error {
	if left := time.Until(until); left > threadSleep {
		t := time.NewTimer(left - timerMargin)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	sleepThread(until)
	return nil
}
