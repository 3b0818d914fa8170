package torchserve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
)

// Times of waiting for the server.
const (
	pollTime  = 100 * time.Millisecond
	drainTime = 30 * time.Second // for an empty queue
)

// Apply applies s. After an error the settings before it are restored.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	if err := s.Validate(t.limits()); err != nil {
		return sweep.Applied{}, err
	}
	begin := time.Now()
	t.changing.Add(1) // the live load ends its segment, so that no request is queued
	defer t.changing.Add(-1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return sweep.Applied{}, errors.New("the target is closed")
	}
	before := t.now
	want := before.with(s)
	if s == before.settings() && before.MinWorkers == before.MaxWorkers {
		return sweep.Applied{Settings: s, Fresh: t.fresh.Load()}, nil
	}
	if why := t.fixed[knob.BatchSize]; why != "" && !want.sameBatches(before) {
		return sweep.Applied{}, fmt.Errorf("batch_size, batch_delay_ms: %s", why)
	}
	if err := t.drain(ctx); err != nil { // nothing has changed yet
		return sweep.Applied{}, err
	}
	if err := t.save(); err != nil {
		return sweep.Applied{}, err
	}
	if err := t.change(ctx, want); err != nil {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
		defer cancel()
		return sweep.Applied{}, errors.Join(err, t.undo(back, before))
	}
	if !t.now.sameBatches(before) || t.now.running() > before.running() {
		t.fresh.Store(true) // new processes
	}
	return sweep.Applied{Settings: t.now.settings(), Fresh: t.fresh.Load(), Took: time.Since(begin)}, nil
}

// undo sets what was in force before a failed change. The lock is held.
func (t *Target) undo(ctx context.Context, before description) error {
	t.now.BatchSize = 0 // unknown, so that the model is registered again if it can be
	if t.fixed[knob.BatchSize] != "" {
		t.now = before
	}
	if err := t.change(ctx, before); err != nil {
		return fmt.Errorf("and what was in force before could not be restored: %w; it was: %s", err, before)
	}
	return nil
}

// change makes the server have want, and reads what is in force then. The queue is empty, and the lock
// is held.
func (t *Target) change(ctx context.Context, want description) error {
	if !want.sameBatches(t.now) {
		if err := t.api.unregister(ctx, want); err != nil && !isGone(err) {
			return err
		}
		if err := t.api.register(ctx, want); err != nil {
			return err
		}
	}
	if exact := want.running(); want.MinWorkers != want.MaxWorkers { // between its limits TorchServe changes nothing
		d := want
		d.MinWorkers, d.MaxWorkers = exact, exact
		if err := t.api.scale(ctx, d); err != nil {
			return err
		}
	}
	if err := t.api.scale(ctx, want); err != nil { // after a registration too: it sets other limits of workers
		return err
	}
	return t.waitReady(ctx, want)
}

// isGone reports whether the server does not have the model.
func isGone(err error) bool {
	e, ok := errors.AsType[*answerError](err)
	return ok && e.status == 404
}

// drain waits until no job is queued.
func (t *Target) drain(ctx context.Context) error {
	for begin := time.Now(); ; {
		d, err := t.api.describe(ctx, t.now.Name, t.now.Version)
		switch {
		case isGone(err): // a registration has failed
			return nil
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil && time.Since(begin) > drainTime:
			return err
		case err == nil && d.Queue.Pending == 0:
			return nil
		case time.Since(begin) > drainTime:
			return fmt.Errorf("%d requests of others wait in the queue, and would never be answered after a change", d.Queue.Pending)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// waitReady waits until all workers are ready, and compares what is in force.
func (t *Target) waitReady(ctx context.Context, want description) error {
	for begin := time.Now(); ; {
		d, err := t.api.describe(ctx, want.Name, want.Version)
		switch {
		case err == nil && !d.sameSettings(want):
			return fmt.Errorf("%w: the server was told %s, but has %s", errOther, want, d)
		case err == nil && d.ready():
			d.Queue.Remaining, d.Queue.Pending = t.initial.Queue.Remaining, t.initial.Queue.Pending // the size of the queue does not change
			t.now = d
			return nil
		case time.Since(begin) > want.startTime():
			return errors.Join(fmt.Errorf("the %d workers are not ready within %v", want.MinWorkers, want.startTime()), err)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pollTime):
		return nil
	}
}
