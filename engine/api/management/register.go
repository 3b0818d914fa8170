package management

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
)

// runtimes are the values of the parameter runtime.
var runtimes = []string{"python", "python3", "LSP"}

// registration is what a POST of a model asks for.
type registration struct {
	Registration
	batchSize       int // 0: not said
	delay           time.Duration
	setDelay        bool
	workers         int // initial_workers
	synchronous     bool
	responseTimeout time.Duration // 0: not said
	startupTime     time.Duration // below 0: not said; with 0 no worker can start, as in TorchServe
}

func (a *API) readRegistration(p *params) (registration, error) {
	g := registration{
		Registration:    Registration{URL: p.text("url"), Name: p.text("model_name"), Handler: p.text("handler"), Runtime: p.text("runtime")},
		workers:         max(0, p.number("initial_workers", a.cfg.InitialWorkers, -1, maxWorkers)),
		synchronous:     p.flag("synchronous", true),
		responseTimeout: p.seconds("response_timeout"),
		startupTime:     time.Duration(p.number("startup_timeout", -1, -1, maxSeconds)) * time.Second,
	}
	g.batchSize = max(0, p.number("batch_size", 0, -1, 1<<20)) // -1 and 0 are as good as none, as in TorchServe
	if text := p.text("max_batch_delay"); !strings.HasPrefix(text, "-") {
		g.delay, g.setDelay = p.delay("max_batch_delay")
	}
	switch {
	case p.err != nil:
	case g.URL == "":
		p.fail("Parameter url is required.")
	case g.Runtime != "" && !slices.Contains(runtimes, g.Runtime):
		p.fail("Invalid RuntimeType value: %s; want %s", g.Runtime, strings.Join(runtimes, ", "))
	case strings.Contains(g.URL, ".."):
		return g, wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "Relative path is not allowed in url: %s", g.URL)
	case p.flag("s3_sse_kms", false):
		p.fail("s3_sse_kms: models are not read from S3 here")
	}
	return g, p.err
}

// Register answers POST /models. Its parameters are url, model_name, handler, runtime,
// batch_size, max_batch_delay, initial_workers, synchronous, response_timeout, startup_timeout
// and s3_sse_kms. What it starts goes on when ctx ends.
func (a *API) Register(ctx context.Context, given Parameters) (Answer, error) {
	if err := a.modelAPI("register"); err != nil {
		return Answer{}, err
	}
	g, err := a.readRegistration(&params{values: given})
	if err != nil {
		return Answer{}, err
	}
	if a.cfg.Opener == nil {
		return Answer{}, wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "this server has no model store")
	}
	opened, err := a.cfg.Opener.Open(ctx, g.Registration)
	if err != nil {
		return Answer{}, openError(err)
	}
	s, err := a.begin(g, opened)
	if err != nil {
		if opened.Release != nil {
			opened.Release()
		}
		return Answer{}, err
	}
	return a.finish(ctx, g, s)
}

// openError converts the error of an Opener.
func openError(err error) error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e
	}
	if errors.Is(err, ErrNotFound) {
		return wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "%v", err)
	}
	return wire.Errorf(http.StatusBadRequest, wire.InvalidModel, "%v", err)
}

// begin starts to load the opened model.
func (a *API) begin(g registration, o Opened) (*engine.ModelService, error) {
	m, c := *o.Model, o.config(g)
	if t := max(o.ResponseTimeout, 0); t > 0 { // the model's own file wins, as in TorchServe
		m.RunTime = t
	} else if g.responseTimeout > 0 {
		m.RunTime = g.responseTimeout
	}
	startup := a.cfg.StartupTime
	if o.StartupTimeout > 0 {
		startup = o.StartupTimeout
	} else if g.startupTime >= 0 && c.Workers > 0 {
		startup = g.startupTime
	}
	a.mu.Lock() // so that the version is known as a registered one as soon as it can be described
	defer a.mu.Unlock()
	if a.closed {
		return nil, a.closed503()
	}
	s, err := a.engine.Start(&m, c)
	switch {
	case errors.Is(err, engine.ErrServed):
		return nil, wire.Errorf(http.StatusConflict, wire.Conflict, "Model version %s is already registered for model %s", m.Version, m.Name)
	case errors.Is(err, engine.ErrClosed):
		return nil, a.closed503()
	case err != nil:
		return nil, badRequest("%v", err)
	}
	a.registered[s] = registered{startup, o.MinWorkers, o.MaxWorkers, o.Release}
	return s, nil
}

// config returns the settings of a registration: what the request says, over what the opened
// model says. Only for the workers the model wins, as in TorchServe.
func (o Opened) config(g registration) knob.Config {
	c := o.Config
	if g.batchSize > 0 {
		c.BatchSize = g.batchSize
	}
	if g.setDelay {
		c.BatchDelay = g.delay
	}
	c.Workers = g.workers
	if o.MinWorkers > 0 && o.MaxWorkers >= o.MinWorkers {
		c.Workers = o.MinWorkers
	}
	return c
}

// finish waits for the workers, if the request is synchronous, and answers it.
func (a *API) finish(ctx context.Context, g registration, s *engine.ModelService) (Answer, error) {
	m, workers := s.Model(), s.Config().Workers
	result := a.closed503()
	done := a.start(func(ctx context.Context) { result = a.awaitLoad(ctx, s) })
	if workers > 0 && !g.synchronous {
		return status(http.StatusAccepted, "Processing worker updates..."), nil
	}
	select {
	case <-done:
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx) // nobody reads the answer; the load goes on
	}
	switch {
	case errors.Is(result, engine.ErrClosed):
		return Answer{}, wire.Errorf(http.StatusConflict, wire.Conflict, "Model %s version: %s was unregistered while its workers were starting", m.Name, m.Version)
	case errors.Is(result, context.Canceled):
		return Answer{}, a.closed503()
	case result != nil:
		return Answer{}, wire.Errorf(http.StatusInternalServerError, wire.InternalServer, "Failed to start workers for model %s version: %s: %v", m.Name, m.Version, result)
	case workers == 0:
		return status(http.StatusOK, "Model %q Version: %s registered with 0 initial workers. Use scale workers API to add workers for the model.", m.Name, m.Version), nil
	}
	return status(http.StatusOK, "Model %q Version: %s registered with %d initial workers", m.Name, m.Version, workers), nil
}

// awaitLoad waits until s is loaded. If it fails, or takes longer than its start may take, s is
// unregistered.
func (a *API) awaitLoad(ctx context.Context, s *engine.ModelService) error {
	a.mu.Lock()
	g := a.registered[s]
	longest := g.startupTime
	a.mu.Unlock()
	wait, cancel := context.WithTimeoutCause(ctx, longest, errStartup)
	defer cancel()
	err := errStartup // without any time, not even a start that has ended by now is in time
	if longest > 0 {
		err = s.Wait(wait)
	}
	if err == nil && g.minWorkers > 0 && g.maxWorkers > g.minWorkers {
		err = s.Scale(ctx, g.minWorkers, g.maxWorkers, nil) // which starts none
	}
	if err == nil {
		return nil
	}
	m := s.Model()
	a.cfg.Log.Warn("register", "model", m.Name, "version", m.Version, "err", err)
	if ctx.Err() != nil {
		return err // the engine is closed next
	}
	a.removeFailed(ctx, s)
	return err
}

var errStartup = errors.New("they did not start within startup_timeout")

// removeFailed removes a version that did not load.
func (a *API) removeFailed(ctx context.Context, s *engine.ModelService) {
	if err := a.engine.Remove(ctx, s); err != nil {
		a.cfg.Log.Warn("unregister a model that did not load", "model", s.Model().Name, "err", err)
	}
	a.forget(s)
}
