// Package python is the backend for archives whose handler is in Python: it runs TorchServe's own
// worker, ts/model_service_worker.py, as a process for each worker of the engine, and talks to it
// over its socket. Any handler that TorchServe runs, runs here: a stock one by its name, a class or a
// function in a file of the archive, with torch or any other library that is installed.
//
// [Find] finds an interpreter that has TorchServe; [New] makes the [Backend]. A [engine.Model] of
// this backend has the folder of the unpacked archive as its Path, and takes and returns bytes.
//
// The knobs reach the handler like this: threads as OMP_NUM_THREADS and its like in the environment;
// the device as the gpu_id of the handler's context; the precision as handler.precision in the
// model-config.yaml, if the archive has that key; the batch size as that of the time at which the
// worker was loaded, because a change of it does not load the handler again.
//
// A worker that does not answer within the model's RunTime, or that breaks the protocol, is killed
// with all that it has started. Its batch fails, and the engine opens another session.
package python

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/archive"
	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/backend/python/worker"
	"sweetspot/engine/config"
	"sweetspot/engine/cores"
	"sweetspot/engine/gpu"
	"sweetspot/engine/knob"
)

// Name is the name of this backend in Model.Backend.
const Name = "python"

// DefaultRunTime limits the runs of a model without a RunTime, as in TorchServe: handlers do hang.
const DefaultRunTime = 120 * time.Second

// defaultStartup limits the time to load a model, unless its model-config.yaml says otherwise.
const defaultStartup = 120 * time.Second

// Options configure a Backend.
type Options struct {
	Where Where // where to look for Python
	Cores int   // of the container, the most threads of a worker
	// Devices are the visible GPUs in the order of CUDA, and so of torch; nil if they are not known. They have the UUIDs.
	Devices []gpu.Device
	Log     *slog.Logger // nil discards
	// Limits bound the answers of a worker.
	Limits protocol.Limits

	// command replaces the command of the worker in tests.
	command func(Installation) []string
}

// Backend opens sessions. It looks for Python when it opens the first one.
type Backend struct {
	opt  Options
	gpus gpu.Placer
	pins cores.Pins

	mu      sync.Mutex // guards all below
	found   *Installation
	metrics map[string]*series // by name and version of the model
	memory  map[string]int64   // bytes of the smallest worker, likewise
}

// New returns a backend.
func New(o Options) *Backend {
	o.Cores = max(o.Cores, 1)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.command == nil {
		o.command = Installation.command
	}
	return &Backend{opt: o}
}

// Installation returns the interpreter that the backend uses.
func (b *Backend) Installation(ctx context.Context) (Installation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.found != nil {
		return *b.found, nil
	}
	in, err := Find(ctx, b.opt.Where)
	if err != nil {
		return in, err
	}
	b.found = &in
	return in, nil
}

// Check refuses what a worker in Python cannot do, before a session is opened.
func (b *Backend) Check(_ *engine.Model, c knob.Config) error {
	var errs []error
	if err := c.CheckSupported("session", "pin"); err != nil {
		errs = append(errs, err)
	}
	if c.Session == "shared" {
		errs = append(errs, errors.New("options: session: each worker in Python is a process of its own: leave it out, or write own"))
	}
	if c.Threads < 1 || c.Threads > b.opt.Cores {
		errs = append(errs, fmt.Errorf("threads: %d is outside 1-%d, the cores of this machine", c.Threads, b.opt.Cores))
	}
	if err := b.checkPin(c); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkPin reports why the workers of c cannot be pinned.
func (b *Backend) checkPin(c knob.Config) error {
	if !c.Pin {
		return nil
	}
	all, err := cores.Allowed()
	if err != nil {
		return fmt.Errorf("options: pin: %w", err)
	}
	if most := min(len(all), b.opt.Cores); c.Workers*c.Threads > most {
		return fmt.Errorf("options: pin: %d workers of %d threads need %d cores, and this process may use %d", c.Workers, c.Threads, c.Workers*c.Threads, most)
	}
	return nil
}

// Open starts a worker and loads the model. It takes as long as Python needs for the imports of the
// handler and for the weights.
func (b *Backend) Open(ctx context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	if err := b.Check(m, c); err != nil {
		return nil, err
	}
	in, err := b.Installation(ctx)
	if err != nil {
		return nil, err
	}
	s, err := b.open(ctx, m, c, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	return s, nil
}

func (b *Backend) open(ctx context.Context, m *engine.Model, c knob.Config, in Installation) (*session, error) {
	a, err := archive.Open(m.Path, archive.Limits{})
	if err != nil {
		return nil, err
	}
	number, err := b.takeGPU(c.Device, in.GPUs)
	if err != nil {
		return nil, err
	}
	s := &session{model: m, limit: m.RunTime, gpu: number, backend: b}
	if c.Pin {
		all, err := cores.Allowed()
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.cores = b.pins.Take(all, c.Threads)
	}
	if s.limit <= 0 {
		s.limit = DefaultRunTime
	}
	if err := b.start(ctx, s, a, c, in); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	b.noteMemory(m, s.PID())
	b.opt.Log.Debug("worker in Python started", "model", m.Name, "pid", s.PID(), "precision", c.Precision, "threads", c.Threads, "gpu", number)
	return s, nil
}

// start starts the worker of a session and loads the model.
func (b *Backend) start(ctx context.Context, s *session, a *archive.Archive, c knob.Config, in Installation) (err error) {
	if s.folder, err = newFolder(a, c.Precision); err != nil {
		return err
	}
	l := &lines{log: b.opt.Log.With("model", s.model.Name), metrics: b.seriesOf(s.model)}
	handler := a.Manifest.Model.Handler
	s.worker, err = worker.Start(ctx, worker.Command{
		Args: b.opt.command(in), Dir: s.folder.path, Cores: s.cores, Line: l.add, Limits: b.opt.Limits,
		Env: environ(b.opt.Where.Env, s.folder.path, handler, c.Threads),
	})
	if err != nil {
		return err
	}
	limit := startupTime(a)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not loaded within %v, the startup timeout", limit))
	defer cancel()
	return s.worker.Load(ctx, protocol.Load{
		Name: s.model.Name, Dir: s.folder.path, BatchSize: max(1, c.BatchSize), Handler: handler, GPU: s.gpu, LimitPixels: true,
	})
}

// startupTime is the longest time to load the model of an archive.
func startupTime(a *archive.Archive) time.Duration {
	read, _, err := config.ParseModelConfig("", a.Config)
	if err != nil || read.StartupTimeout <= 0 {
		return defaultStartup
	}
	return time.Duration(read.StartupTimeout) * time.Second
}

// command is the command of TorchServe's worker.
func (in Installation) command() []string {
	return []string{
		in.Python, filepath.Join(in.Home, "model_service_worker.py"),
		"--metrics-config", filepath.Join(in.Home, "configs", "metrics.yaml"),
	}
}

// environ returns the environment of a worker: that of this process, with what TorchServe sets and
// with the number of threads. dir is the folder of the archive.
func environ(base []string, dir, handler string, threads int) []string {
	python := []string{dir}
	if file, _, function := strings.Cut(handler, ":"); function {
		if sub := filepath.Dir(file); sub != "." && filepath.IsLocal(sub) {
			python = append([]string{filepath.Join(dir, sub)}, python...)
		}
	}
	n := strconv.Itoa(threads)
	set := map[string]string{
		"PYTHONUNBUFFERED": "1", "TS_DECODE_INPUT_REQUEST": "true", "TS_IPEX_ENABLE": "false", "TS_IPEX_GPU_ENABLE": "false",
		"OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n,
	}
	var out []string
	for _, kv := range base {
		name, value, _ := strings.Cut(kv, "=")
		if _, replaced := set[name]; replaced {
			continue
		}
		if name == "PYTHONPATH" {
			if value != "" {
				python = append([]string{value}, python...)
			}
			continue
		}
		out = append(out, kv)
	}
	set["PYTHONPATH"] = strings.Join(python, string(filepath.ListSeparator))
	for _, name := range sortedNames(set) {
		out = append(out, name+"="+set[name])
	}
	return out
}
