package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
)

// Step is one finished part of an apply.
type Step struct {
	What string
	Took time.Duration
}

// Apply puts want in force while requests flow: what must be built is built and
// warmed beside what serves, then all knobs change at one moment, then what is
// no longer needed is drained. No request is lost, refused or failed by it. On
// an error the settings before it stay in force. What the backend cannot run, or what
// cannot fit into memory, is refused before it is built, and a change of precision
// compares both on samples and tells in a step how far they agree. step, if not nil,
// is called after each part, from Apply's goroutine. Applies wait for one another and
// for the load.
func (s *Served) Apply(ctx context.Context, want knob.Settings, step func(Step)) error {
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

// Scale keeps the number of workers between least and most: those that there are
// stay, as far as they are within. With most 0 the model stays loaded without
// workers, and refuses requests until a later Scale or Apply gives it some.
func (s *Served) Scale(ctx context.Context, least, most int, step func(Step)) error {
	if least < 0 || most < least {
		return fmt.Errorf("workers: least %d and most %d, want 0 <= least <= most", least, most)
	}
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return err
	}
	defer done()
	want := s.Config().Settings
	want.Workers = min(max(want.Workers, least), most)
	if want.Workers > 0 {
		if err := want.Validate(s.Limits()); err != nil {
			return err
		}
	}
	if err := s.change(ctx, want, step); err != nil {
		return err
	}
	s.mu.Lock()
	s.least, s.most = least, most
	s.mu.Unlock()
	return nil
}

// Bounds are the least and most workers that the last Scale or Apply asked for.
func (s *Served) Bounds() (least, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.least, s.most
}

// beginChange waits for its turn to change a model that is ready; done ends the turn.
func (s *Served) beginChange(ctx context.Context) (_ context.Context, done func(), err error) {
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
	ctx, cancel := s.changing(ctx)
	return ctx, func() { cancel(); s.unlockChanges() }, nil
}

// change puts want in force. The caller has the turn.
func (s *Served) change(ctx context.Context, want knob.Settings, step func(Step)) error {
	if step == nil {
		step = func(Step) {}
	}
	now := s.Config()
	to := knob.Config{Settings: want, Options: now.Options}
	reload := s.needsReload(now, to)
	if err := s.fits(now, to, reload); err != nil {
		return err
	}
	if reload {
		return s.reload(ctx, to, step)
	}
	return s.resize(ctx, to, step)
}

// needsReload tells whether the sessions of a cannot serve b. Spinning is a session's
// property and depends on workers x threads.
func (s *Served) needsReload(a, b knob.Config) bool {
	if a.Precision != b.Precision || a.Device != b.Device || a.Threads != b.Threads || a.Options != b.Options {
		return true
	}
	return a.Workers > 0 && b.Threads > 1 && b.Spin == "" && s.crowded(a) != s.crowded(b)
}

// reload builds and warms a second pool, swaps it in, and drains the old one.
func (s *Served) reload(ctx context.Context, to knob.Config, step func(Step)) error {
	begin := time.Now()
	next, err := s.newPool(ctx, to)
	if err != nil {
		return err
	}
	step(Step{fmt.Sprintf("open %s on %s", to.Precision, to.Device), time.Since(begin)})
	joining, err := s.build(ctx, next, to, to.Workers, step)
	if err != nil {
		return errors.Join(err, discard(next, joining, true))
	}
	if len(joining) > 0 {
		if err := s.agreeing(ctx, joining[0].session, to, step); err != nil {
			return errors.Join(err, discard(next, joining, true))
		}
	}
	s.mu.Lock()
	if s.state == Unloading {
		s.mu.Unlock()
		return errors.Join(ErrClosed, discard(next, joining, true))
	}
	old := s.pool
	s.pool, s.stranded = next, nil
	s.setConfig(to)
	for _, w := range joining {
		s.join(w)
	}
	if old != nil {
		s.retire(old, len(old.workers))
	}
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	return s.drain(old.close, "drain the old pool", step)
}

// resize changes hot knobs and the number of workers of the pool.
func (s *Served) resize(ctx context.Context, to knob.Config, step func(Step)) error {
	s.mu.Lock()
	p, have := s.pool, len(s.pool.workers)
	s.mu.Unlock()
	joining, err := s.build(ctx, p, to, to.Workers-have, step)
	if err != nil {
		return errors.Join(err, discard(p, joining, false))
	}
	begin := time.Now()
	s.mu.Lock()
	if s.state == Unloading {
		s.mu.Unlock()
		return errors.Join(ErrClosed, discard(p, joining, false))
	}
	s.setConfig(to)
	for _, w := range joining {
		s.join(w)
	}
	if have > to.Workers {
		s.retire(p, have-to.Workers)
	}
	if to.Workers == 0 {
		s.abandon(ErrNoWorkers)
	}
	s.mu.Unlock()
	step(Step{"switch", time.Since(begin)})
	return nil
}

// setConfig makes to the settings in force. The lock is held.
func (s *Served) setConfig(to knob.Config) {
	s.cfg, s.pool.cfg = to, to
	s.least, s.most = to.Workers, to.Workers
	s.col.Configure(rule(to))
	s.advance(s.now(), batching.Event{Kind: batching.Changed})
}

func (s *Served) drain(wait func() error, what string, step func(Step)) error {
	begin := time.Now()
	if err := wait(); err != nil {
		s.log.Warn("drain", "model", s.model.Name, "err", err)
	}
	step(Step{what, time.Since(begin)})
	return nil
}
