package sweep

import (
	"context"
	"fmt"
	"time"

	"sweetspot/engine/knob"
)

// longestDrain is how long AwaitIdle waits. Batches of slow models take seconds; a server that executes one for longer
// may hang.
const longestDrain = 30 * time.Second

// AwaitIdle waits until the server of a target has nothing left to do, as far as the target can tell. A server cannot stop
// a batch that it executes, also if the requests were cancelled: they would delay the first requests with other settings.
// After longestDrain it returns all the same.
func AwaitIdle(ctx context.Context, t Target) {
	d, ok := t.(Drainer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longestDrain)
	defer cancel()
	_ = d.Drain(ctx) // a server that has died or hangs is noticed by what follows
}

// applyExactly applies s to a target without load, once it is idle. It returns an error if other settings are in
// force afterwards, because a measurement would then be recorded with wrong settings.
func applyExactly(ctx context.Context, t Target, s knob.Settings) (Applied, error) {
	AwaitIdle(ctx, t)
	done, err := t.Apply(ctx, s)
	if err == nil && done.Settings != s {
		err = fmt.Errorf("the settings %v were applied, but in force is %v", s, done.Settings)
	}
	return done, err
}
