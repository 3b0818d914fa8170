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
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/engine/payload"
	engineserver "sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// labCommand makes this program an engine with real models, for the sets serve
// and apply: the engine as it is served, and beside it a listener for what no
// engine offers: bare sessions, callers in the engine's own process, and a look
// at what the process holds.
const labCommand = "model-server"

// labAddrs is the one line that the lab prints.
type labAddrs struct {
	Predict    string `json:"predict"`
	Management string `json:"management"`
	Lab        string `json:"lab"`
}

// bared is a model of the lab with a bare session beside the engine.
type bared struct {
	served *engine.ModelService
	bare   engine.Session
	items  []payload.Row // a full batch
}

// opened describes a model that was put into service.
type opened struct {
	Name   string        `json:"name"`
	Inputs []tensor.Spec `json:"inputs"`
	Batch  int           `json:"batch"`
	RunMS  float64       `json:"run_ms"` // of a full batch
}

// turn is what one block saw, of the bare loop, of callers in the process, or of
// clients.
type turn struct {
	RunNS  float64 `json:"run_ns"`  // mean of the full batches
	Rate   float64 `json:"rate"`    // items a second
	Full   int     `json:"full"`    // requests that rode in full batches
	All    int     `json:"all"`     // requests
	BusyNS int64   `json:"busy_ns"` // the engine's, as WorkNS
	WorkNS int64   `json:"work_ns"`
}

// held is what the process holds, after a garbage collection.
type held struct {
	Stats       engine.Stats `json:"stats"`
	Sessions    int64        `json:"sessions"`
	Goroutines  int          `json:"goroutines"`
	Descriptors int          `json:"descriptors"` // 0 is not known
}

// lab is the child.
type lab struct {
	engine  *engine.Engine
	backend *counted

	mu     sync.Mutex // guards models
	models map[string]*bared
}

// counted counts the open sessions of a backend.
type counted struct {
	*onnx.Backend
	open atomic.Int64
}

// Open opens a session and counts it.
func (c *counted) Open(ctx context.Context, m *engine.Model, k knob.Config) (engine.Session, error) {
	s, err := c.Backend.Open(ctx, m, k)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return countedSession{s, c}, nil
}

type countedSession struct {
	engine.Session
	from *counted
}

// Close closes the session, which its owner does once.
func (s countedSession) Close() error {
	s.from.open.Add(-1)
	return s.Session.Close()
}

func newLab(cores int) (*lab, error) {
	cache, _ := os.UserCacheDir() // without one, the library is looked for elsewhere
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		return nil, err
	}
	b, err := onnx.New(lib.Path, cores, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	backend := &counted{Backend: b}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"onnx": backend}, Cores: cores})
	return &lab{engine: e, backend: backend, models: map[string]*bared{}}, nil
}

// serveModels is the lab's process. It ends when stdin does, and so with whoever
// started it.
func serveModels(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cores := monitor.Limits().Cores
	l, err := newLab(cores)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx))) }()
	const free = "127.0.0.1:0"
	s, err := engineserver.Open(engineserver.Config{
		Inference: free, Management: free, Host: control.Host{Cores: cores},
	}, l.engine)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", free)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	own := &http.Server{Handler: l.routes(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- own.Serve(listener) }()
	go func() { // ends with stdin, which ends with the parent
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	a := s.Addrs()
	if err = json.NewEncoder(stdout).Encode(labAddrs{a.Inference, a.Management, listener.Addr().String()}); err != nil {
		cancel()
	}
	err = errors.Join(err, s.Run(ctx), own.Close())
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func (l *lab) close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, m := range l.models {
		errs = append(errs, m.bare.Close())
	}
	return errors.Join(append(errs, l.engine.Close(ctx))...)
}

// routes are what the lab answers; values come in the query, answers are JSON.
func (l *lab) routes() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]func(context.Context, url.Values) (any, error){
		"/open": l.open, "/bare": l.runBare, "/callers": l.runCallers, "/capacity": l.capacity, "/stats": l.stats, "/held": l.held,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			v, err := answer(r.Context(), r.URL.Query())
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(v) // the parent sees a cut answer itself
		})
	}
	return mux
}

// mostBatch ends the search for a batch that takes long enough.
const mostBatch = 64

// open serves a model with one worker and one thread under the eager rule. Its
// batch size is the smallest, doubled from batch, whose run takes at least least.
func (l *lab) open(ctx context.Context, q url.Values) (any, error) {
	var shapes map[string][]int64
	if n, err := strconv.ParseInt(q.Get("tokens"), 10, 64); err == nil {
		shapes = map[string][]int64{"input_ids": {n}}
	}
	m, err := catalog.Open(ctx, q.Get("model"), catalog.Options{Shapes: shapes, Probe: l.backend})
	if err != nil {
		return nil, err
	}
	batch, err := strconv.Atoi(q.Get("batch"))
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	least, err := time.ParseDuration(q.Get("least"))
	if err != nil {
		return nil, fmt.Errorf("least: %w", err)
	}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	for c.BatchSize = batch; ; c.BatchSize *= 2 {
		one := &bared{items: samples(m, c.BatchSize)}
		if one.bare, err = l.backend.Open(ctx, m, c); err != nil {
			return nil, err
		}
		took, err := one.fastest(ctx)
		if err == nil && took < least && 2*c.BatchSize <= mostBatch {
			if err = one.bare.Close(); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, errors.Join(err, one.bare.Close())
		}
		c.QueueSize = max(c.QueueSize, 4*c.BatchSize)
		return opened{m.Name, m.Inputs, c.BatchSize, took.Seconds() * 1e3}, l.serve(ctx, m, c, one)
	}
}

func (l *lab) serve(ctx context.Context, m *engine.Model, c knob.Config, one *bared) error {
	err := l.engine.Load(ctx, m, c)
	if err == nil {
		one.served, err = l.engine.Find(m.Name, "")
	}
	if err != nil {
		return errors.Join(err, one.bare.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.models[m.Name] = one
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

// fastest is the fastest of some runs of a full batch.
func (b *bared) fastest(ctx context.Context) (time.Duration, error) {
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

func (l *lab) find(q url.Values) (*bared, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m, ok := l.models[q.Get("model")]; ok {
		return m, nil
	}
	return nil, fmt.Errorf("model %q has not been opened", q.Get("model"))
}

func (l *lab) stats(_ context.Context, q url.Values) (any, error) {
	m, err := l.find(q)
	if err != nil {
		return nil, err
	}
	return m.served.Stats(), nil
}

// held frees what is free before it looks.
func (l *lab) held(_ context.Context, q url.Values) (any, error) {
	m, err := l.find(q)
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory()
	h := held{Stats: m.served.Stats(), Sessions: l.backend.open.Load(), Goroutines: runtime.NumGoroutine()}
	if all, err := os.ReadDir("/proc/self/fd"); err == nil {
		h.Descriptors = len(all)
	}
	return h, nil
}
