package torchserve

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// fleet are the servers behind one inference address. All have equal settings.
type fleet []*server

// each calls f for all servers at the same time, and joins the errors. With several servers an error has the
// address of its server.
func (f fleet) each(do func(*server) error) error {
	errs := make([]error, len(f))
	var wg sync.WaitGroup
	for i, s := range f {
		wg.Go(func() {
			if errs[i] = do(s); errs[i] != nil && len(f) > 1 {
				errs[i] = fmt.Errorf("%s: %w", s.api.base, errs[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// now returns what is in force.
func (f fleet) now() description { return f[0].now }

// fixed returns why batch size and delay cannot be changed; "" if they can.
func (f fleet) fixed() string {
	for _, s := range f {
		if s.fixed != "" && len(f) > 1 {
			return s.api.base + ": " + s.fixed
		}
		if s.fixed != "" {
			return s.fixed
		}
	}
	return ""
}

// checkEqual returns an error if the servers differ in what a sweep changes or reports.
func (f fleet) checkEqual() error {
	first := f[0].now
	for _, s := range f[1:] {
		if s.now.sameSettings(first) && s.now.settings() == first.settings() {
			continue
		}
		return fmt.Errorf("the servers differ: %s has %s, %d workers, but %s has %s, %d workers; give them the same settings first, because a sweep changes all of them alike",
			f[0].api.base, first.detail(), first.running(), s.api.base, s.now.detail(), s.now.running())
	}
	return nil
}

// change makes all servers have other settings, or after an error those before. No load runs.
func (f fleet) change(ctx context.Context, want func(description) description) error {
	if err := f.each(func(s *server) error { return s.drain(ctx) }); err != nil {
		return err // nothing has changed yet
	}
	if err := f.each(func(s *server) error { return s.save() }); err != nil {
		return err
	}
	before := map[*server]description{}
	for _, s := range f {
		before[s] = s.now
		if s.now.BatchSize == 0 { // a change could not be undone
			before[s] = s.initial
		}
	}
	err := f.each(func(s *server) error { return s.change(ctx, want(before[s])) })
	if err == nil {
		return nil
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	return errors.Join(err, f.each(func(s *server) error { return s.undo(back, before[s]) }))
}
