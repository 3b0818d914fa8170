// Package engine serves models: a bounded queue and a pool of workers per model,
// batches by the rules of package batching, and settings that change while
// requests flow without losing one. It knows no protocol, file format or
// backend; those are handed in.
//
// [New] makes an [Engine]; Load puts a version of a [Model] into service and gives
// a [Served], whose Do is the way of a request and whose Apply changes the
// settings. All methods of both are safe for concurrent use.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"sweetspot/engine/knob"
)

// The answers a caller must tell apart.
var (
	ErrUnknownModel   = errors.New("model not found")
	ErrUnknownVersion = errors.New("model version not found")
	ErrDefaultVersion = errors.New("the default version of a model that has others cannot be unloaded")
	ErrQueueFull      = errors.New("queue is full")
	ErrTooManyRows    = errors.New("more rows than the queue is long")
	ErrClosed         = errors.New("model is shutting down")
	ErrNotReady       = errors.New("model is not ready")
	ErrNoWorkers      = errors.New("model has no workers")
	ErrExpired        = errors.New("request expired in the queue")
	// ErrSessionLost says that a session cannot run any more, as opposed to a batch
	// that failed in it. A backend wraps it; the engine opens another session.
	ErrSessionLost = errors.New("the session is lost")
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

// Cores is the number of cores the engine counts on.
func (e *Engine) Cores() int { return e.opt.Cores }

// Close refuses newcomers, answers what waits, and ends all workers. When ctx
// ends first, what still waits is answered with ErrClosed.
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

// heldByOthers is the least memory that the models beside s take, in bytes, as far
// as their backends can tell.
func (e *Engine) heldByOthers(s *Served) int64 {
	var sum int64
	for _, o := range e.Served() {
		if o != s {
			sum += o.estimate(o.Config())
		}
	}
	return sum
}

// limits are what the settings of m are held against.
func limits(m *Model, r knob.Rule, cores int) knob.Limits {
	return knob.Limits{Rule: r, Cores: cores, BatchAxis: m.BatchAxis, BatchWhy: m.BatchWhy, Places: m.Places}
}
