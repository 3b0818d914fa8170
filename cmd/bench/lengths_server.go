package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"sweetspot/engine"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/lengths"
	"sweetspot/engine/monitor"
	"sweetspot/engine/tensor"
)

// lengthsCommand runs this program as the server of the set lengths: the encoder once for each
// variant.
const lengthsCommand = "lengths-server"

// lengthVariant is one way to run texts of different lengths together.
type lengthVariant struct {
	name    string
	about   string
	pad     bool
	buckets []int64
}

// padToAll is the variant that the others are compared with.
const padToAll = "all"

// lengthVariants are the variants; the last one is padToAll.
func lengthVariants() []lengthVariant {
	return []lengthVariant{
		{"equal", "runs of equal shape", false, nil},
		{"buckets", "padded to 16, 32, 48, 64, 96 or 128", true, []int64{16, 32, 48, 64, 96, 128}},
		{"longest", "padded to the longest of a batch", true, nil},
		{padToAll, "padded to 128", true, []int64{int64(newsHighest)}},
	}
}

// The settings of every variant: one worker with one thread.
const (
	lengthsBatch   = 8
	lengthsClients = 16
)

func lengthsConfig() knob.Config {
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	c.BatchSize, c.QueueSize = lengthsBatch, 4*lengthsClients
	return c
}

// openVariant opens the encoder for a variant.
func openVariant(ctx context.Context, b engine.Prober, v lengthVariant) (*engine.Model, error) {
	mix, err := newsMix()
	if err != nil {
		return nil, err
	}
	o := catalog.Options{Lengths: map[string]lengths.Shape{"input_ids": {mix}}, Buckets: v.buckets, Probe: b}
	if v.pad {
		o.Pad = map[string]float64{"input_ids": 0, "attention_mask": 0}
	}
	m, err := catalog.Open(ctx, v.name+"=builtin:encoder", o)
	if err == nil && v.pad && m.Padding == nil {
		err = errors.New(m.PadWhy)
	}
	return m, err
}

// lengthsReady is the line that the server prints.
type lengthsReady struct {
	modelServerAddrs
	Inputs []tensor.Spec `json:"inputs"`
}

// lengthsServer is the process of the variants.
type lengthsServer struct {
	*testEngine
	models map[string]*engine.Model

	mu   sync.Mutex                // guards bare
	bare map[string]engine.Session // by variant, for comparePolicies
}

// session returns a session for a variant, which later calls share.
func (srv *lengthsServer) session(ctx context.Context, m *engine.Model) (engine.Session, error) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if s := srv.bare[m.Name]; s != nil {
		return s, nil
	}
	s, err := srv.backend.Open(ctx, m, lengthsConfig())
	if err == nil {
		srv.bare[m.Name] = s
	}
	return s, err
}

// close closes all sessions.
func (srv *lengthsServer) close(ctx context.Context) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	var errs []error
	for _, s := range srv.bare {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, srv.testEngine.close(ctx))...)
}

// runLengthsServer is the process. It exits when stdin ends, so also when its parent exits.
func runLengthsServer(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	cores := monitor.Limits().Cores
	eng, err := newTestEngine(cores)
	if err != nil {
		return err
	}
	srv := &lengthsServer{testEngine: eng, models: map[string]*engine.Model{}, bare: map[string]engine.Session{}}
	defer func() { err = errors.Join(err, srv.close(context.WithoutCancel(ctx))) }()
	for _, v := range lengthVariants() {
		if srv.models[v.name], err = openVariant(ctx, eng.backend, v); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if err := eng.engine.Load(ctx, srv.models[v.name], lengthsConfig()); err != nil {
			return err
		}
	}
	return eng.listenAndServe(ctx, cores, srv.routes(), stdin, stdout, func(a modelServerAddrs) any {
		return lengthsReady{a, srv.models[padToAll].Inputs}
	})
}

func (srv *lengthsServer) routes() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]func(context.Context, url.Values) (any, error){
		"/stats": srv.lengthStats, "/policy": srv.policy,
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

func (srv *lengthsServer) lengthStats(_ context.Context, q url.Values) (any, error) {
	s, err := srv.engine.Find(q.Get("model"), "")
	if err != nil {
		return nil, err
	}
	return s.Stats(), nil
}
