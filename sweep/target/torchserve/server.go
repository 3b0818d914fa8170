package torchserve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Times of waiting for a server.
const (
	pollTime    = 100 * time.Millisecond
	drainTime   = 30 * time.Second // for an empty queue
	restoreTime = 3 * time.Minute  // for restoring what Open has found
)

// server is one TorchServe that has the model. Its methods are called while no load runs.
type server struct {
	api         *client
	restoreFile string // has what to restore while it differs from what is in force; "" for none
	saved       bool   // whether there is a restore file of this server
	fixed       string // why batch size and delay cannot be changed; "" if they can
	initial     description
	now         description
}

// change makes the server have want, and reads what is in force then. The queue is empty.
func (s *server) change(ctx context.Context, want description) error {
	if !want.sameBatches(s.now) {
		if err := s.api.unregister(ctx, want); err != nil && !isGone(err) {
			return err
		}
		if err := s.api.register(ctx, want); err != nil {
			return err
		}
	}
	if exact := want.running(); want.MinWorkers != want.MaxWorkers { // between its limits TorchServe changes nothing
		d := want
		d.MinWorkers, d.MaxWorkers = exact, exact
		if err := s.api.scale(ctx, d); err != nil {
			return err
		}
	}
	if err := s.api.scale(ctx, want); err != nil { // after a registration too: it sets other limits of workers
		return err
	}
	return s.waitReady(ctx, want)
}

// undo sets what was in force before a failed change.
func (s *server) undo(ctx context.Context, before description) error {
	s.now.BatchSize = 0 // unknown, so that the model is registered again if it can be
	if s.fixed != "" {
		s.now = before
	}
	if err := s.change(ctx, before); err != nil {
		return fmt.Errorf("and what was in force before could not be restored: %w; it was: %s", err, before)
	}
	return nil
}

// restore sets what Open has found.
func (s *server) restore(ctx context.Context) error {
	if s.now.sameSettings(s.initial) {
		return s.forget()
	}
	err := s.drain(ctx)
	if err == nil {
		err = s.change(ctx, s.initial)
	}
	if err != nil {
		return fmt.Errorf("%s was not restored: %w; in force was: %s", s.initial.Name, err, s.initial)
	}
	return s.forget()
}

// findFixed finds out whether the server can register the model again.
func (s *server) findFixed(ctx context.Context) error {
	enabled, err := s.api.modelAPI(ctx)
	if err != nil {
		return err
	}
	if !enabled {
		s.fixed = "the model API is off; start TorchServe with --enable-model-api, or enable_model_api=true in config.properties"
		return nil
	}
	versions, err := s.api.versions(ctx, s.initial.Name)
	switch {
	case err != nil:
		return err
	case versions > 1:
		s.fixed = "the model has other versions, so that it cannot be registered again"
	case strings.TrimSpace(s.initial.URL) == "":
		s.fixed = "the server does not say where the model was registered from"
	}
	return nil
}

// isGone reports whether the server does not have the model.
func isGone(err error) bool {
	e, ok := errors.AsType[*answerError](err)
	return ok && e.status == 404
}

// drain waits until no job is queued.
func (s *server) drain(ctx context.Context) error {
	for begin := time.Now(); ; {
		d, err := s.api.describe(ctx, s.now.Name, s.now.Version)
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
func (s *server) waitReady(ctx context.Context, want description) error {
	for begin := time.Now(); ; {
		d, err := s.api.describe(ctx, want.Name, want.Version)
		switch {
		case err == nil && !d.sameSettings(want):
			return fmt.Errorf("%w: the server was told %s, but has %s", errOther, want, d)
		case err == nil && d.ready():
			d.Queue.Remaining, d.Queue.Pending = s.initial.Queue.Remaining, s.initial.Queue.Pending // the size of the queue does not change
			s.now = d
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
