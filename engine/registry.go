package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// versions are the versions of one model.
type versions struct {
	all   map[string]*Served // by version
	first string             // the default: it answers requests that name no version
}

// Load opens, warms and serves m with the settings and options of c. Its name and
// version must be free. Without workers it opens nothing yet. A failed load leaves
// nothing behind.
func (e *Engine) Load(ctx context.Context, m *Model, c knob.Config) error {
	s, err := e.register(m, c)
	if err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		e.remove(s)
		return fmt.Errorf("load %s: %w", m.Name, err)
	}
	return nil
}

// Start is Load in the background: the model is there at once, in state Loading,
// and its Wait tells how it ended. One that failed stays, in state Failed, until it
// is unloaded or loaded again.
func (e *Engine) Start(m *Model, c knob.Config) (*Served, error) {
	s, err := e.register(m, c)
	if err != nil {
		return nil, err
	}
	go func() {
		if err := s.load(context.Background()); err != nil {
			s.log.Warn("load", "model", m.Name, "version", m.Version, "err", err)
		}
	}()
	return s, nil
}

// register checks m and takes its place.
func (e *Engine) register(m *Model, c knob.Config) (*Served, error) {
	b, ok := e.opt.Backends[m.Backend]
	if !ok {
		return nil, fmt.Errorf("load %s: this build has no %q backend", m.Name, m.Backend)
	}
	whole := c
	whole.Workers = max(c.Workers, 1) // none is allowed here
	if err := whole.Validate(limits(m, c.Rule, e.opt.Cores)); err != nil {
		return nil, fmt.Errorf("load %s: %w", m.Name, err)
	}
	s := newServed(m, b, c, e)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	v := e.models[m.Name]
	if v == nil {
		v = &versions{all: map[string]*Served{}, first: m.Version}
		e.models[m.Name] = v
	}
	if old := v.all[m.Version]; old != nil && old.State() != Failed {
		return nil, fmt.Errorf("load %s: a model of that name and version %s is served already", m.Name, m.Version)
	}
	v.all[m.Version] = s
	return s, nil
}

// remove takes s out of the registry, if it is still there.
func (e *Engine) remove(s *Served) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name, version := s.model.Name, s.model.Version
	v := e.models[name]
	if v == nil || v.all[version] != s {
		return
	}
	delete(v.all, version)
	if len(v.all) == 0 {
		delete(e.models, name)
	} else if v.first == version {
		v.first = slices.Min(slices.Collect(maps.Keys(v.all)))
	}
}

// Unload takes a version out of service, "" being the default one: newcomers are
// refused, what waits is answered, workers end, and then its name is free. A load
// that is under way is called off. The default version goes last.
func (e *Engine) Unload(ctx context.Context, name, version string) error {
	s, err := e.Find(name, version)
	if err != nil {
		return err
	}
	e.mu.Lock()
	v := e.models[name]
	isDefault := v != nil && v.first == s.model.Version && len(v.all) > 1
	e.mu.Unlock()
	if isDefault {
		return fmt.Errorf("unload %s: %w; version %s is the default", name, ErrDefaultVersion, s.model.Version)
	}
	err = s.close(ctx)
	e.remove(s)
	return err
}

// Find returns a version of the model called name; "" is the default one.
func (e *Engine) Find(name, version string) (*Served, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.models[name]
	if v == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknownModel, name)
	}
	if s := v.all[cmp.Or(version, v.first)]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%w: %s of %s", ErrUnknownVersion, version, name)
}

// SetDefault makes a version the one that answers requests that name none.
func (e *Engine) SetDefault(name, version string) error {
	s, err := e.Find(name, version)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if v := e.models[name]; v != nil && v.all[version] == s {
		v.first = version
		return nil
	}
	return fmt.Errorf("%w: %s of %s", ErrUnknownVersion, version, name)
}

// Default is the version of a model that answers requests that name none; "" where
// there is no such model.
func (e *Engine) Default(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v := e.models[name]; v != nil {
		return v.first
	}
	return ""
}

// Served lists all versions of all models, by name and version.
func (e *Engine) Served() []*Served {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.list()
}

// list is Served with the lock held.
func (e *Engine) list() []*Served {
	var out []*Served
	for _, v := range e.models {
		for _, s := range v.all {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *Served) int {
		return cmp.Or(strings.Compare(a.model.Name, b.model.Name), strings.Compare(a.model.Version, b.model.Version))
	})
	return out
}

// State is where a version is in its life.
type State uint8

// The states. A version begins in Loading; Failed and Unloading are final.
const (
	Loading State = iota
	Ready
	Failed
	Unloading
)

func (s State) String() string {
	return [...]string{Loading: "loading", Ready: "ready", Failed: "failed", Unloading: "unloading"}[s]
}

// State tells where the version is in its life.
func (s *Served) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Healthy tells whether the version is ready and as many workers as were asked for at
// least can run something.
func (s *Served) Healthy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == Ready && len(s.pool.workers)-s.pool.down >= s.least
}

// Wait returns when the version has been loaded, or why it was not.
func (s *Served) Wait(ctx context.Context) error {
	select {
	case <-s.loaded:
		return s.loadErr
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// load opens the first pool, and ends the state Loading.
func (s *Served) load(ctx context.Context) (err error) {
	if err := s.lockChanges(ctx); err != nil {
		return s.hasLoaded(err)
	}
	defer s.unlockChanges()
	ctx, cancel := s.changing(ctx)
	defer cancel()
	if h := s.model.Handler; h != nil {
		if err := h.Initialize(ctx, s.model.Inputs, s.model.Outputs); err != nil {
			return s.hasLoaded(fmt.Errorf("handler: %w", err))
		}
	}
	if err := s.fits(s.cfg, s.cfg, false); err != nil {
		return s.hasLoaded(err)
	}
	return s.hasLoaded(s.reload(ctx, s.cfg, func(st Step) {
		s.log.Debug("load", "model", s.model.Name, "step", st.What, "took", st.Took)
	}))
}

// hasLoaded ends the state Loading and returns err.
func (s *Served) hasLoaded(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != Loading: // unloaded meanwhile
		err = errors.Join(err, ErrClosed)
	case err != nil:
		s.state = Failed
	default:
		s.state = Ready
	}
	s.loadErr = err
	s.showRoom()
	close(s.loaded)
	return err
}
