// Package engine serves models: each model has a bounded queue and a pool of
// workers, requests run in batches by the rules of package batching, and settings
// change while requests flow, without losing one. The package knows no protocol and
// no file format; backends are passed in [Options].
//
// [New] makes an [Engine]. Load starts to serve a version of a [Model]; Find returns
// its [ModelService], whose Do runs a request and whose Apply changes the settings.
// All methods of both are safe for concurrent use.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"sweetspot/engine/knob"
)

// The errors that callers distinguish.
var (
	ErrUnknownModel   = errors.New("model not found")
	ErrUnknownVersion = errors.New("model version not found")
	ErrDefaultVersion = errors.New("the default version of a model that has others cannot be unloaded")
	ErrServed         = errors.New("a model of that name and version is served already")
	ErrQueueFull      = errors.New("queue is full")
	ErrTooManyRows    = errors.New("more rows than the queue is long")
	ErrClosed         = errors.New("model is shutting down")
	ErrNotReady       = errors.New("model is not ready")
	ErrNoWorkers      = errors.New("model has no workers")
	ErrExpired        = errors.New("request expired in the queue")
	// ErrSessionLost means that a session cannot run any other batch. A backend wraps
	// it; the engine then opens another session.
	ErrSessionLost = errors.New("the session is lost")
	// ErrCrashed means that a model ended the process in which it was tried. Such a model is
	// not served: it would end the server.
	ErrCrashed = errors.New("the runtime crashed on this model")
)

// Options configures an Engine.
type Options struct {
	Backends map[string]Backend // by Model.Backend
	Cores    int                // of the container, for limits and spinning; at least 1
	// MemoryBytes is the container's memory; settings that need more are refused. 0
	// is unknown.
	MemoryBytes int64
	Log         *slog.Logger // nil discards
}

// Engine holds the served models.
type Engine struct {
	opt     Options
	workers atomic.Int64 // opened so far

	mu     sync.Mutex // guards models and closed
	models map[string]*versions
	closed bool
}

// New returns an engine that serves nothing yet.
func New(o Options) *Engine {
	o.Cores = max(o.Cores, 1)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{opt: o, models: map[string]*versions{}}
}

// Cores returns the number of cores that the engine assumes.
func (e *Engine) Cores() int { return e.opt.Cores }

// Close refuses new requests, answers the queued ones, and ends all workers. When ctx
// ends first, the requests that are still queued fail with ErrClosed.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	all := e.list()
	e.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			errs[i] = s.close(ctx)
			e.remove(s)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// otherModelsMemory is a lower bound of the memory, in bytes, of all models but s. A
// model counts 0 if its backend has no estimate.
func (e *Engine) otherModelsMemory(s *ModelService) int64 {
	var sum int64
	for _, o := range e.Services() {
		if o != s {
			sum += o.estimate(o.Config())
		}
	}
	return sum
}

// limits returns the limits that validate the settings of m.
func limits(m *Model, r knob.Rule, cores int) knob.Limits {
	return knob.Limits{
		Rule: r, Cores: cores, BatchAxis: m.BatchAxis, BatchWhy: m.BatchWhy, Places: m.Places, NoPlaces: m.NoPlaces, Own: knob.OptionKnobs(),
	}
}
