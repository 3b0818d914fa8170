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
	all            map[string]*ModelService // by version
	defaultVersion string                   // answers requests that name no version
}

// Load opens m, warms it up and serves it with the settings and options of c. No model
// of that name and version may be loaded. With 0 workers no session is opened yet. A
// failed load is removed completely.
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

// Start is Load in the background. It returns a service in the state Loading, whose
// Wait returns the result of the load. A failed one stays in the state Failed until it
// is unloaded or loaded again.
func (e *Engine) Start(m *Model, c knob.Config) (*ModelService, error) {
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

// register checks m and adds a service for it.
func (e *Engine) register(m *Model, c knob.Config) (*ModelService, error) {
	b, ok := e.opt.Backends[m.Backend]
	if !ok {
		return nil, fmt.Errorf("load %s: this build has no %q backend", m.Name, m.Backend)
	}
	if c.Rule == knob.RuleUnreported {
		return nil, fmt.Errorf("load %s: rule: there is none; want torchserve or eager", m.Name)
	}
	checked := c
	checked.Workers = max(c.Workers, 1) // 0 workers are allowed here
	if err := checked.Validate(limits(m, c.Rule, e.opt.Cores)); err != nil {
		return nil, fmt.Errorf("load %s: %w", m.Name, err)
	}
	s := newModelService(m, b, c, e)
	var err error
	if s.cfg.Options, err = c.With(c.Own); err != nil {
		return nil, fmt.Errorf("load %s: %w", m.Name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	v := e.models[m.Name]
	if v == nil {
		v = &versions{all: map[string]*ModelService{}, defaultVersion: m.Version}
		e.models[m.Name] = v
	}
	if old := v.all[m.Version]; old != nil && old.State() != Failed {
		return nil, fmt.Errorf("load %s: %w: version %s", m.Name, ErrServed, m.Version)
	}
	v.all[m.Version] = s
	return s, nil
}

// remove removes s from the registry, unless another service has replaced it.
func (e *Engine) remove(s *ModelService) {
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
	} else if v.defaultVersion == version {
		v.defaultVersion = slices.Min(slices.Collect(maps.Keys(v.all)))
	}
}

// Unload stops serving a version; "" is the default one. It refuses new requests,
// answers the queued ones and ends the workers; then the version can be loaded again.
// It cancels a running load. The default version can only be unloaded last.
func (e *Engine) Unload(ctx context.Context, name, version string) error {
	s, err := e.Find(name, version)
	if err != nil {
		return err
	}
	e.mu.Lock()
	v := e.models[name]
	isDefault := v != nil && v.defaultVersion == s.model.Version && len(v.all) > 1
	e.mu.Unlock()
	if isDefault {
		return fmt.Errorf("unload %s: %w; version %s is the default", name, ErrDefaultVersion, s.model.Version)
	}
	err = s.close(ctx)
	e.remove(s)
	return err
}

// Remove is Unload for s itself, also if it is the default version and there are others; another
// version is then the default one. It does nothing if s is not served.
func (e *Engine) Remove(ctx context.Context, s *ModelService) error {
	err := s.close(ctx)
	e.remove(s)
	return err
}

// Find returns a version of the model called name; "" is the default one.
func (e *Engine) Find(name, version string) (*ModelService, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.models[name]
	if v == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknownModel, name)
	}
	if s := v.all[cmp.Or(version, v.defaultVersion)]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%w: %s of %s", ErrUnknownVersion, version, name)
}

// SetDefault makes a version the default one, which answers requests that name none.
func (e *Engine) SetDefault(name, version string) error {
	s, err := e.Find(name, version)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if v := e.models[name]; v != nil && v.all[version] == s {
		v.defaultVersion = version
		return nil
	}
	return fmt.Errorf("%w: %s of %s", ErrUnknownVersion, version, name)
}

// Default returns the default version of a model, or "" if there is no such model.
func (e *Engine) Default(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v := e.models[name]; v != nil {
		return v.defaultVersion
	}
	return ""
}

// Services returns all versions of all models, sorted by name and version.
func (e *Engine) Services() []*ModelService {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.list()
}

// list is Services with the lock held.
func (e *Engine) list() []*ModelService {
	var out []*ModelService
	for _, v := range e.models {
		for _, s := range v.all {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *ModelService) int {
		return cmp.Or(strings.Compare(a.model.Name, b.model.Name), strings.Compare(a.model.Version, b.model.Version))
	})
	return out
}

// State is the state of a version between Load and Unload.
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

// State returns the state of the version.
func (s *ModelService) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Healthy reports whether the version is ready and at least the lower bound of workers
// have a session.
func (s *ModelService) Healthy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == Ready && len(s.pool.workers)-s.pool.sessionless >= s.minWorkers
}

// CanAnswer reports whether the version is ready and has a worker with a session.
func (s *ModelService) CanAnswer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == Ready && len(s.pool.workers) > s.pool.sessionless
}

// Wait waits for the end of the load and returns its error.
func (s *ModelService) Wait(ctx context.Context) error {
	select {
	case <-s.loaded:
		return s.loadErr
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// load opens the first pool, and ends the state Loading.
func (s *ModelService) load(ctx context.Context) (err error) {
	if err := s.lockChanges(ctx); err != nil {
		return s.finishLoading(err)
	}
	defer s.unlockChanges()
	ctx, cancel := s.changeContext(ctx)
	defer cancel()
	if h := s.model.Handler; h != nil {
		if err := h.Initialize(ctx, s.model.Inputs, s.model.Outputs); err != nil {
			return s.finishLoading(fmt.Errorf("handler: %w", err))
		}
	}
	if err := s.checkChange(s.cfg, s.cfg, false); err != nil {
		return s.finishLoading(err)
	}
	return s.finishLoading(s.reload(ctx, s.cfg, func(st Step) {
		s.log.Debug("load", "model", s.model.Name, "step", st.What, "took", st.Took)
	}))
}

// finishLoading ends the state Loading and returns err.
func (s *ModelService) finishLoading(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != Loading: // unloaded meanwhile
		if err == nil || errors.Is(err, context.Canceled) { // which says no more
			err = ErrClosed
		} else {
			err = fmt.Errorf("%w: %w", ErrClosed, err)
		}
	case err != nil:
		s.state = Failed
	default:
		s.state = Ready
	}
	s.loadErr = err
	s.publishAdmitLimit()
	close(s.loaded)
	return err
}
