package management

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// maxWorkers is the largest number of workers of a request.
const maxWorkers = 10000

// scaling is what a PUT of a model changes.
type scaling struct {
	minWorkers, maxWorkers int // -1: unchanged
	batchSize              int // 0: unchanged
	delay                  time.Duration
	setDelay               bool
}

// readScaling reads the parameters. As in TorchServe, min_worker is 1 and max_worker is
// min_worker by default; but a request that only has our batch_size or max_batch_delay leaves
// the workers as they are.
func readScaling(p *params) scaling {
	s := scaling{minWorkers: -1, maxWorkers: -1, batchSize: p.number("batch_size", 0, 1, 1<<20)}
	s.delay, s.setDelay = p.delay("max_batch_delay")
	if s.batchSize == 0 && !s.setDelay || p.has("min_worker") || p.has("max_worker") {
		s.minWorkers = p.number("min_worker", 1, 0, maxWorkers)
		s.maxWorkers = p.number("max_worker", s.minWorkers, 0, maxWorkers)
	}
	if s.maxWorkers < s.minWorkers {
		p.fail("max_worker cannot be less than min_worker.")
	}
	return s
}

// edit makes the change in a.
func (s scaling) edit(a *engine.Adjustment) error {
	if s.minWorkers >= 0 {
		a.MinWorkers, a.MaxWorkers = s.minWorkers, s.maxWorkers
	}
	if s.batchSize > 0 {
		a.Settings.BatchSize = s.batchSize
	}
	if s.setDelay {
		a.Settings.BatchDelay = s.delay
	}
	return nil
}

// Scale answers PUT /models/{model}[/{version}]; version is "" for the parameter model_version,
// or else the default one. The other parameters are min_worker, max_worker, batch_size,
// max_batch_delay, synchronous and timeout. The change runs in the background, so that it goes
// on when ctx ends.
func (a *API) Scale(ctx context.Context, name, version string, given Parameters) (Answer, error) {
	p := &params{values: given}
	if version == "" {
		version = p.text("model_version")
	}
	s, err := a.find(name, version)
	if err != nil {
		return Answer{}, err
	}
	change := readScaling(p)
	synchronous := p.flag("synchronous", false)
	timeout := time.Duration(p.number("timeout", -1, -1, maxSeconds)) * time.Second
	if p.err != nil {
		return Answer{}, p.err
	}
	if err := change.check(s); err != nil {
		return Answer{}, badRequest("%v", err)
	}
	result := a.closed503()
	done := a.start(func(ctx context.Context) {
		if result = s.Adjust(ctx, change.edit, nil); result != nil && !synchronous {
			a.cfg.Log.Warn("scale", "model", name, "version", s.Model().Version, "err", result)
		}
	})
	if !synchronous {
		return status(http.StatusAccepted, "Processing worker updates..."), nil
	}
	ctx, cancel := waitContext(ctx, timeout)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		return status(http.StatusPartialContent, "Workers scaling in progress..."), nil
	}
	if result != nil {
		return Answer{}, changeError(result)
	}
	return change.answer(s, name, version), nil
}

// check returns an error if the settings would not be valid.
func (s scaling) check(service *engine.ModelService) error {
	checked := engine.Adjustment{Settings: service.Config().Settings}
	checked.Settings.Workers = max(1, s.maxWorkers)
	if err := s.edit(&checked); err != nil {
		return err
	}
	return checked.Settings.Validate(service.Limits())
}

// answer says what has been done.
func (s scaling) answer(service *engine.ModelService, name, version string) Answer {
	if s.minWorkers < 0 {
		c := service.Config()
		return status(http.StatusOK, "Batch size %d and batch delay %v ms set for model: %s", c.BatchSize, c.DelayMS(), name)
	}
	running := 0
	for _, info := range service.Workers() {
		if info.Ready {
			running++
		}
	}
	if running < s.minWorkers {
		return status(http.StatusPartialContent, "Workers scaling in progress...")
	}
	if version != "" {
		return status(http.StatusOK, "Workers scaled to %d for model: %s, version: %s", running, name, version)
	}
	return status(http.StatusOK, "Workers scaled to %d for model: %s", running, name)
}

// waitContext derives a context that ends after timeout, if it is not negative.
func waitContext(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

// changeError converts the error of a change.
func changeError(err error) error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, engine.ErrClosed), errors.Is(err, context.Canceled):
		return wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, "the model is being unregistered, or the server ends: %v", err)
	case errors.Is(err, engine.ErrNotReady):
		unavailable := wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, "%v", err)
		unavailable.RetryAfter = 1
		return unavailable
	}
	return wire.Errorf(http.StatusInternalServerError, wire.InternalServer, "%v", err)
}

// Unregister answers DELETE /models/{model}[/{version}]; version is "" for the default one. It
// goes on when ctx ends.
func (a *API) Unregister(ctx context.Context, name, version string) (Answer, error) {
	if err := a.modelAPI("unregister"); err != nil {
		return Answer{}, err
	}
	s, err := a.find(name, version)
	if err != nil {
		return Answer{}, err
	}
	result := a.closed503()
	done := a.start(func(ctx context.Context) { result = a.unload(ctx, s) })
	select {
	case <-done:
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx) // nobody reads the answer
	}
	switch {
	case result == nil:
		return status(http.StatusOK, "Model %q unregistered", name), nil
	case errors.Is(result, engine.ErrDefaultVersion):
		return Answer{}, wire.Errorf(http.StatusForbidden, wire.InvalidVersion, "Cannot remove default version for model %s", name)
	case errors.Is(result, context.DeadlineExceeded):
		return Answer{}, wire.Errorf(http.StatusRequestTimeout, wire.RequestTimeout, "Timed out while cleaning resources: %s", name)
	case errors.Is(result, engine.ErrUnknownModel), errors.Is(result, engine.ErrUnknownVersion):
		_, err := a.find(name, version)
		return Answer{}, err
	}
	return Answer{}, result
}

// closed503 is the answer of an API that has been closed.
func (a *API) closed503() error {
	return wire.Errorf(http.StatusServiceUnavailable, wire.ServiceUnavailable, "the server ends")
}

// unload unloads s and frees what its registration made.
func (a *API) unload(ctx context.Context, s *engine.ModelService) error {
	m := s.Model()
	ctx, cancel := context.WithTimeout(ctx, a.cfg.UnregisterTime)
	defer cancel()
	err := a.engine.Unload(ctx, m.Name, m.Version)
	if errors.Is(err, engine.ErrDefaultVersion) {
		return err
	}
	a.forget(s)
	return err
}

// forget removes s from the registered versions and frees what its registration made.
func (a *API) forget(s *engine.ModelService) {
	a.mu.Lock()
	g, ok := a.registered[s]
	delete(a.registered, s)
	a.mu.Unlock()
	if ok && g.release != nil {
		g.release()
	}
}
