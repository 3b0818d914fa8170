// Package engine serves models: a bounded queue and a pool of workers per model,
// batches by the rules of package batching, and settings that change while
// requests flow without losing one. It knows no protocol, file format or
// backend; those are handed in.
//
// [New] makes an [Engine]; Load puts a [Model] into service and gives a
// [Served], whose Submit is the way of a request and whose Apply changes the
// settings. All methods of both are safe for concurrent use.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"sweetspot/engine/knob"
)

// The answers a caller must tell apart.
var (
	ErrUnknownModel = errors.New("model not found")
	ErrQueueFull    = errors.New("queue is full")
	ErrClosed       = errors.New("model is shutting down")
	ErrExpired      = errors.New("request expired in the queue")
)

// Options is what an engine is made of.
type Options struct {
	Backends map[string]Backend // by Model.Backend
	Cores    int                // the container's cores, for limits and spinning; at least 1
	// MemoryBytes is the container's memory, which settings have to fit in; 0 is
	// unknown.
	MemoryBytes int64
	Log         *slog.Logger // nil discards
}

// Engine holds the served models.
type Engine struct {
	opt Options

	mu     sync.Mutex // guards served and closed
	served map[string]*Served
	closed bool
}

// New returns an engine that serves nothing yet.
func New(o Options) *Engine {
	o.Cores = max(o.Cores, 1)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{opt: o, served: map[string]*Served{}}
}

// Load opens, warms and serves m with the settings and options of c. The name
// must be free.
func (e *Engine) Load(ctx context.Context, m *Model, c knob.Config) error {
	b, ok := e.opt.Backends[m.Backend]
	if !ok {
		return fmt.Errorf("load %s: this build has no %q backend", m.Name, m.Backend)
	}
	if err := c.Validate(limits(m, c.Rule, e.opt.Cores)); err != nil {
		return fmt.Errorf("load %s: %w", m.Name, err)
	}
	s := newServed(m, b, c, e.opt)
	if err := e.reserve(s); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		e.mu.Lock()
		delete(e.served, m.Name)
		e.mu.Unlock()
		return fmt.Errorf("load %s: %w", m.Name, err)
	}
	return nil
}

func (e *Engine) reserve(s *Served) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if _, taken := e.served[s.model.Name]; taken {
		return fmt.Errorf("load %s: a model of that name is served already", s.model.Name)
	}
	e.served[s.model.Name] = s
	return nil
}

// Unload takes a model out of service: newcomers are refused, what waits is
// answered, workers end.
func (e *Engine) Unload(ctx context.Context, name string) error {
	s, err := e.Find(name)
	if err != nil {
		return err
	}
	e.mu.Lock()
	delete(e.served, name)
	e.mu.Unlock()
	return s.close(ctx)
}

// Find returns the served model called name.
func (e *Engine) Find(name string) (*Served, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s, ok := e.served[name]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownModel, name)
}

// Served lists the models in service, by name.
func (e *Engine) Served() []*Served {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*Served, 0, len(e.served))
	for _, s := range e.served {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Served) int { return strings.Compare(a.model.Name, b.model.Name) })
	return out
}

// Cores is the number of cores the engine counts on.
func (e *Engine) Cores() int { return e.opt.Cores }

// Close refuses newcomers, answers what waits, and ends all workers. When ctx
// ends first, what still waits is answered with ErrClosed.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	all := make([]*Served, 0, len(e.served))
	for _, s := range e.served {
		all = append(all, s)
	}
	clear(e.served)
	e.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { errs[i] = s.close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
