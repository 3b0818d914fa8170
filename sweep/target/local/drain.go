package local

import (
	"context"
	"time"
)

// drainPoll is the time between two looks at an engine that is not idle yet.
const drainPoll = 10 * time.Millisecond

// Drain waits until the child has neither queued requests nor requests in a batch. It does not start a child that has ended.
func (t *Target) Drain(ctx context.Context) error {
	t.mu.Lock()
	cl := t.client
	t.mu.Unlock()
	for {
		s, err := cl.stats(ctx)
		if err != nil || s.Queue+s.InFlight == 0 {
			return err
		}
		select {
		case <-time.After(drainPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
