package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
)

// Step is one finished step of an apply.
type Step struct {
	What string
	Took time.Duration
}

// Apply changes the settings to want while requests flow. It opens and warms new workers beside
// the serving ones, then changes all settings at once, then drains the workers that
// are no longer needed. It loses, refuses and fails no request. On an error the old
// settings stay in force. Settings that the backend cannot run or that need too much
// memory are refused before anything is opened. A change of precision compares the
// outputs of both precisions on samples and reports the comparison as a step. Options that are among
// the own values of want ([knob.OptionKnobs]) replace those of the load. step, if
// not nil, is called after each step, from Apply's goroutine. Applies wait for one
// another and for the load.
func (s *ModelService) Apply(ctx context.Context, want knob.Settings, step func(Step)) error {
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := want.Validate(s.Limits()); err != nil {
		return err
	}
	return s.change(ctx, want, step)
}

// Scale moves the number of workers into the range minWorkers to maxWorkers; a number
// that is within it stays. With maxWorkers 0 the model stays loaded without workers,
// and refuses requests until a later Scale or Apply adds some.
func (s *ModelService) Scale(ctx context.Context, minWorkers, maxWorkers int, step func(Step)) error {
	return s.Adjust(ctx, func(a *Adjustment) error {
		a.MinWorkers, a.MaxWorkers = minWorkers, maxWorkers
		return nil
	}, step)
}

// Adjustment is what Adjust changes: the settings in force and the range of workers.
type Adjustment struct {
	Settings               knob.Settings
	MinWorkers, MaxWorkers int
}

// Adjust is Apply for a change that depends on the settings in force: edit changes them
// while no other change runs. Then the number of workers is moved into the range. An error of
// edit ends the change; it is returned as it is.
func (s *ModelService) Adjust(ctx context.Context, edit func(*Adjustment) error, step func(Step)) error {
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return err
	}
	defer done()
	a := Adjustment{Settings: s.Config().Settings}
	a.MinWorkers, a.MaxWorkers = s.Bounds()
	if err := edit(&a); err != nil {
		return err
	}
	if err := a.validate(s.Limits()); err != nil {
		return err
	}
	if err := s.change(ctx, a.Settings, step); err != nil {
		return err
	}
	s.mu.Lock()
	s.minWorkers, s.maxWorkers = a.MinWorkers, a.MaxWorkers
	s.mu.Unlock()
	return nil
}

// validate moves the number of workers into the range and checks the settings.
func (a *Adjustment) validate(l knob.Limits) error {
	if a.MinWorkers < 0 || a.MaxWorkers < a.MinWorkers {
		return fmt.Errorf("workers: minimum %d and maximum %d, want 0 <= minimum <= maximum", a.MinWorkers, a.MaxWorkers)
	}
	a.Settings.Workers = min(max(a.Settings.Workers, a.MinWorkers), a.MaxWorkers)
	checked := a.Settings
	checked.Workers = max(checked.Workers, 1) // 0 workers are allowed here
	return checked.Validate(l)
}

// Bounds returns the range of workers that the last Scale or Apply has set.
func (s *ModelService) Bounds() (minWorkers, maxWorkers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.minWorkers, s.maxWorkers
}

// beginChange waits until the model is ready and no other change runs; done ends the
// change.
func (s *ModelService) beginChange(ctx context.Context) (_ context.Context, done func(), err error) {
	if err := s.Wait(ctx); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	if err := s.lockChanges(ctx); err != nil {
		return nil, nil, err
	}
	if s.State() != Ready {
		s.unlockChanges()
		return nil, nil, ErrClosed
	}
	ctx, cancel := s.changeContext(ctx)
	return ctx, func() { cancel(); s.unlockChanges() }, nil
}

// change changes the settings to want. The caller has called beginChange.
func (s *ModelService) change(ctx context.Context, want knob.Settings, step func(Step)) error {
	if step == nil {
		step = func(Step) {}
	}
	now := s.Config()
	options, err := s.options.With(want.Own)
	if err != nil {
		return err
	}
	to := knob.Config{Settings: want, Options: options}
	reload := s.needsReload(now, to)
	if err := s.checkChange(now, to, reload); err != nil {
		return err
	}
	if reload {
		return s.reload(ctx, to, step)
	}
	return s.resize(ctx, to, step)
}

// needsReload reports whether b needs other sessions than a. A session spins or not,
// which depends on workers x threads.
func (s *ModelService) needsReload(a, b knob.Config) bool {
	if a.Precision != b.Precision || a.Device != b.Device || a.Threads != b.Threads || a.Options != b.Options {
		return true
	}
	return a.Workers > 0 && b.Threads > 1 && b.Spin == "" && s.oversubscribed(a) != s.oversubscribed(b)
}

// reload opens and warms a second pool, swaps the pools, and drains the old one.
func (s *ModelService) reload(ctx context.Context, to knob.Config, step func(Step)) error {
	begin := time.Now()
	next, err := s.newPool(ctx, to)
	if err != nil {
		return err
	}
	step(Step{fmt.Sprintf("open %s on %s", to.Precision, to.Device), time.Since(begin)})
	added, err := s.openWorkers(ctx, next, to, to.Workers, step)
	if err != nil {
		return errors.Join(err, discard(next, added, true))
	}
	if len(added) > 0 {
		if err := s.comparePrecisions(ctx, added[0].session, to, step); err != nil {
			return errors.Join(err, discard(next, added, true))
		}
	}
	s.mu.Lock()
	if s.state == Unloading {
		s.mu.Unlock()
		return errors.Join(ErrClosed, discard(next, added, true))
	}
	old := s.pool
	s.pool, s.sessionErr = next, nil
	s.setConfig(to)
	for _, w := range added {
		s.startWorker(w)
	}
	if old != nil {
		s.retireWorkers(old, len(old.workers))
	}
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	return s.drainPool(old, step)
}

// resize changes the hot settings and the number of workers of the pool.
func (s *ModelService) resize(ctx context.Context, to knob.Config, step func(Step)) error {
	s.mu.Lock()
	p, workers := s.pool, len(s.pool.workers)
	s.mu.Unlock()
	added, err := s.openWorkers(ctx, p, to, to.Workers-workers, step)
	if err != nil {
		return errors.Join(err, discard(p, added, false))
	}
	if err := s.checkPool(ctx, p, to); err != nil {
		return errors.Join(err, discard(p, added, false))
	}
	begin := time.Now()
	s.mu.Lock()
	if s.state == Unloading {
		s.mu.Unlock()
		return errors.Join(ErrClosed, discard(p, added, false))
	}
	s.setConfig(to)
	for _, w := range added {
		s.startWorker(w)
	}
	if workers > to.Workers {
		s.retireWorkers(p, workers-to.Workers)
	}
	if to.Workers == 0 {
		s.failPending(ErrNoWorkers)
	}
	s.mu.Unlock()
	step(Step{"switch", time.Since(begin)})
	return nil
}

// setConfig makes to the config in force. The lock is held.
func (s *ModelService) setConfig(to knob.Config) {
	s.cfg, s.pool.cfg = to, to
	s.minWorkers, s.maxWorkers = to.Workers, to.Workers
	s.collector.Configure(batchingConfig(to))
	s.stepCollector(s.now(), batching.Event{Kind: batching.Configured})
}

// drainPool waits for the batches of a replaced pool and closes its sessions.
func (s *ModelService) drainPool(old *pool, step func(Step)) error {
	begin := time.Now()
	if err := old.close(); err != nil {
		s.log.Warn("drain", "model", s.model.Name, "err", err)
	}
	step(Step{"drain the old pool", time.Since(begin)})
	return nil
}
