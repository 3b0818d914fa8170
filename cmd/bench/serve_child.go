package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/catalog"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/engine/payload"
	engineserver "sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// modelServerCommand runs this program as an engine with real models, for the sets
// serve, apply and soak. A second listener offers what the engine does not: bare
// sessions, callers in the process of the engine, and counts of what the process
// holds.
const modelServerCommand = "model-server"

// modelServerAddrs is the line that the process prints when it is ready.
type modelServerAddrs struct {
	Predict    string `json:"predict"`
	Management string `json:"management"`
	Measure    string `json:"measure"`
}

// benchModel is a model of the engine, and a bare session of the same model.
type benchModel struct {
	service *engine.ModelService
	bare    engine.Session
	items   []payload.Row // a full batch
}

// openedModel describes a loaded model.
type openedModel struct {
	Name   string        `json:"name"`
	Inputs []tensor.Spec `json:"inputs"`
	Batch  int           `json:"batch"`
	RunMS  float64       `json:"run_ms"` // of a full batch

	bodies []handler.Body // that its clients send; nil is made from Inputs
}

// blockResult is the result of one block of the bare loop, of callers in the
// process, or of clients.
type blockResult struct {
	RunNS  float64 `json:"run_ns"`  // mean of the full batches
	Rate   float64 `json:"rate"`    // items a second
	Full   int     `json:"full"`    // requests in full batches
	All    int     `json:"all"`     // requests
	BusyNS int64   `json:"busy_ns"` // of the engine, like WorkNS
	WorkNS int64   `json:"work_ns"`
}

// processState is what the process holds after a garbage collection.
type processState struct {
	Stats       engine.Stats `json:"stats"`
	Sessions    int64        `json:"sessions"`
	Goroutines  int          `json:"goroutines"`
	Descriptors []string     `json:"descriptors"` // see descriptors; empty is unknown
	Memory      memoryInUse  `json:"memory"`
}

// memoryInUse is the memory in use in bytes, without what is free for reuse.
type memoryInUse struct {
	Go     uint64 `json:"go"`     // objects that are reachable, and stacks
	Native uint64 `json:"native"` // of the C library's heap and its mappings; 0 is unknown
}

// testEngine is the engine of the process, with its listener for measurements.
type testEngine struct {
	engine  *engine.Engine
	backend *countingBackend

	mu     sync.Mutex // guards models
	models map[string]*benchModel
}

// countingBackend counts the open sessions of a backend.
type countingBackend struct {
	*onnx.Backend
	open atomic.Int64
}

// Open opens a session and counts it.
func (c *countingBackend) Open(ctx context.Context, m *engine.Model, k knob.Config) (engine.Session, error) {
	s, err := c.Backend.Open(ctx, m, k)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return countingSession{s, c}, nil
}

type countingSession struct {
	engine.Session
	from *countingBackend
}

// Close closes the session. Its owner calls it once.
func (s countingSession) Close() error {
	s.from.open.Add(-1)
	return s.Session.Close()
}

func newTestEngine(cores int) (*testEngine, error) {
	cache, _ := os.UserCacheDir() // without it, the library is searched elsewhere
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		return nil, err
	}
	b, err := onnx.New(lib.Path, cores, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	backend := &countingBackend{Backend: b}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"onnx": backend}, Cores: cores})
	return &testEngine{engine: e, backend: backend, models: map[string]*benchModel{}}, nil
}

// runModelServer is the process of the testEngine. It exits when stdin ends, so
// also when its parent exits.
func runModelServer(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	cores := monitor.Limits().Cores
	eng, err := newTestEngine(cores)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.close(context.WithoutCancel(ctx))) }()
	return eng.listenAndServe(ctx, cores, eng.routes(), stdin, stdout, func(a modelServerAddrs) any { return a })
}

// listenAndServe serves the engine, and routes on the listener of its own, until stdin ends, so also when the parent exits. What ready
// makes of the addresses is the first line of stdout.
func (eng *testEngine) listenAndServe(ctx context.Context, cores int, routes http.Handler, stdin io.Reader, stdout io.Writer, ready func(modelServerAddrs) any) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const anyPort = "127.0.0.1:0"
	s, err := engineserver.Open(engineserver.Config{
		Inference: anyPort, Management: anyPort, Host: control.Host{Cores: cores},
	}, eng.engine)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", anyPort)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	measure := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	serveErr := make(chan error, 1)
	go func() { serveErr <- measure.Serve(listener) }()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	a := s.Addrs()
	if err = json.NewEncoder(stdout).Encode(ready(modelServerAddrs{a.Inference, a.Management, listener.Addr().String()})); err != nil {
		cancel()
	}
	err = errors.Join(err, s.Run(ctx), measure.Close())
	if e := <-serveErr; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func (eng *testEngine) close(ctx context.Context) error {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	var errs []error
	for _, m := range eng.models {
		errs = append(errs, m.bare.Close())
	}
	return errors.Join(append(errs, eng.engine.Close(ctx))...)
}

// routes serves the measure listener. Parameters are in the query, answers are
// JSON.
func (eng *testEngine) routes() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]func(context.Context, url.Values) (any, error){
		"/open": eng.open, "/bare": eng.runBare, "/callers": eng.runCallers, "/waking": eng.runWaking, "/capacity": eng.capacity, "/stats": eng.stats, "/state": eng.state,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			v, err := answer(r.Context(), r.URL.Query())
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(v) // the parent notices a truncated answer
		})
	}
	return mux
}

// maxBatch ends the search for a batch size that takes minRun.
const maxBatch = 64

// open loads a model with one worker, one thread and the eager rule. It doubles
// the batch size, starting with batch, until a run takes at least minRun.
func (eng *testEngine) open(ctx context.Context, q url.Values) (any, error) {
	var shapes map[string][]int64
	if n, err := strconv.ParseInt(q.Get("tokens"), 10, 64); err == nil {
		shapes = map[string][]int64{"input_ids": {n}}
	}
	m, err := catalog.Open(ctx, q.Get("model"), catalog.Options{
		Shapes: shapes, Probe: eng.backend, Handlers: map[string]catalog.HandlerChoice{"": {Handler: q.Get("handler")}},
	})
	if err != nil {
		return nil, err
	}
	batch, err := strconv.Atoi(q.Get("batch"))
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	minRun, err := time.ParseDuration(q.Get("min-run"))
	if err != nil {
		return nil, fmt.Errorf("min-run: %w", err)
	}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	for c.BatchSize = batch; ; c.BatchSize *= 2 {
		one := &benchModel{items: samples(m, c.BatchSize)}
		if one.bare, err = eng.backend.Open(ctx, m, c); err != nil {
			return nil, err
		}
		took, err := one.fastest(ctx)
		if err == nil && took < minRun && 2*c.BatchSize <= maxBatch {
			if err = one.bare.Close(); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, errors.Join(err, one.bare.Close())
		}
		c.QueueSize = max(c.QueueSize, 4*c.BatchSize)
		return openedModel{Name: m.Name, Inputs: m.Inputs, Batch: c.BatchSize, RunMS: took.Seconds() * 1e3}, eng.serve(ctx, m, c, one)
	}
}

func (eng *testEngine) serve(ctx context.Context, m *engine.Model, c knob.Config, one *benchModel) error {
	err := eng.engine.Load(ctx, m, c)
	if err == nil {
		one.service, err = eng.engine.Find(m.Name, "")
	}
	if err != nil {
		return errors.Join(err, one.bare.Close())
	}
	eng.mu.Lock()
	defer eng.mu.Unlock()
	eng.models[m.Name] = one
	return nil
}

func samples(m *engine.Model, n int) []payload.Row {
	rng := rand.New(rand.NewPCG(1, 0))
	items := make([]payload.Row, n)
	for i := range items {
		items[i].Item = tensor.SampleItem(m.Inputs, rng)
	}
	return items
}

// fastest is the shortest of 5 runs of a full batch.
func (b *benchModel) fastest(ctx context.Context) (time.Duration, error) {
	out := make([]payload.Result, len(b.items))
	best := time.Hour
	for range 5 {
		start := time.Now()
		if err := b.bare.Run(ctx, b.items, out); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start))
	}
	return best, nil
}

func (eng *testEngine) find(q url.Values) (*benchModel, error) {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	if m, ok := eng.models[q.Get("model")]; ok {
		return m, nil
	}
	return nil, fmt.Errorf("model %q has not been opened", q.Get("model"))
}

func (eng *testEngine) stats(_ context.Context, q url.Values) (any, error) {
	m, err := eng.find(q)
	if err != nil {
		return nil, err
	}
	return m.service.Stats(), nil
}

// state returns the processState after it has freed all unused memory.
func (eng *testEngine) state(_ context.Context, q url.Values) (any, error) {
	m, err := eng.find(q)
	if err != nil {
		return nil, err
	}
	// What sync.Pool holds and what has a finalizer survives one collection: of 180 MB in use 900 MB were left after it.
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory()
	h := processState{
		Stats: m.service.Stats(), Sessions: eng.backend.open.Load(), Goroutines: runtime.NumGoroutine(), Descriptors: descriptors(),
	}
	var of runtime.MemStats
	runtime.ReadMemStats(&of)
	h.Memory = memoryInUse{Go: of.HeapAlloc + of.StackInuse, Native: onnx.NativeInUse()}
	return h, nil
}
