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
// an error the settings before it stay in force. What cannot fit into memory is
// refused before it is built, and a change of precision compares both on samples
// and tells in a step how far they agree. step, if not nil, is called after each
// part, from Apply's goroutine. Applies wait for one another.
func (s *Served) Apply(ctx context.Context, want knob.Settings, step func(Step)) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	if step == nil {
		step = func(Step) {}
	}
	now := s.Config()
	if err := want.Validate(s.Limits()); err != nil {
		return err
	}
	to := knob.Config{Settings: want, Options: now.Options}
	reload := needsReload(now, to, s.cores)
	if err := s.roomFor(now, to, reload); err != nil {
		return err
	}
	if reload {
		return s.reload(ctx, to, step)
	}
	return s.resize(ctx, to, step)
}

// needsReload tells whether the sessions of a serve b. Spinning is a session's
// property and depends on workers x threads.
func needsReload(a, b knob.Config, cores int) bool {
	if a.Precision != b.Precision || a.Device != b.Device || a.Threads != b.Threads || a.Options != b.Options {
		return true
	}
	crowded := func(c knob.Config) bool { return c.Workers*c.Threads > cores }
	return b.Threads > 1 && b.Spin == "" && crowded(a) != crowded(b)
}

// start opens the first pool.
func (s *Served) start(ctx context.Context) error {
	if err := s.roomFor(s.cfg, s.cfg, false); err != nil {
		return err
	}
	return s.reload(ctx, s.cfg, func(st Step) {
		s.log.Debug("load", "model", s.model.Name, "step", st.What, "took", st.Took)
	})
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
	if err := s.agreeing(ctx, joining[0].session, to, step); err != nil {
		return errors.Join(err, discard(next, joining, true))
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(ErrClosed, discard(next, joining, true))
	}
	old := s.pool
	s.pool = next
	s.put(to)
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
	if s.closed {
		s.mu.Unlock()
		return errors.Join(ErrClosed, discard(p, joining, false))
	}
	s.put(to)
	for _, w := range joining {
		s.join(w)
	}
	if have > to.Workers {
		s.retire(p, have-to.Workers)
	}
	s.mu.Unlock()
	step(Step{"switch", time.Since(begin)})
	return nil
}

// put makes to the settings in force. The lock is held.
func (s *Served) put(to knob.Config) {
	s.cfg = to
	s.col.Configure(rule(to))
	s.drive(batching.Event{Kind: batching.Changed})
}

// build opens and warms n workers of p; none when n is not positive. On an error
// it returns what it opened.
func (s *Served) build(ctx context.Context, p *pool, c knob.Config, n int, step func(Step)) ([]*worker, error) {
	var out []*worker
	for i := range max(n, 0) {
		begin := time.Now()
		w, err := s.newWorker(ctx, p, c)
		if err != nil {
			return out, err
		}
		out = append(out, w)
		cold, err := w.warm(ctx, s.model, c.BatchSize)
		if err != nil {
			return out, err
		}
		what := fmt.Sprintf("warm worker %d of %d", i+1, n)
		if cold != "" {
			what += " (" + cold + ")"
		}
		step(Step{what, time.Since(begin)})
	}
	return out, nil
}

func (s *Served) drain(wait func() error, what string, step func(Step)) error {
	begin := time.Now()
	if err := wait(); err != nil {
		s.log.Warn("drain", "model", s.model.Name, "err", err)
	}
	step(Step{what, time.Since(begin)})
	return nil
}
