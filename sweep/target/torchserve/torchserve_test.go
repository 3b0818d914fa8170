package torchserve_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/management"
	"sweetspot/engine/api/token"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

// sleeper is a backend whose batches take 10 ms, whatever their size.
type sleeper struct{}

func (sleeper) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return sleeper{}, nil
}
func (sleeper) Shared() bool { return true }
func (sleeper) Close() error { return nil }
func (sleeper) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	time.Sleep(10 * time.Millisecond)
	for i := range in {
		out[i].Outputs = tensor.Item{{Type: tensor.Uint8, Shape: []int64{1}, Data: []byte{2 * in[i].Item[0].Data[0]}}}
	}
	return nil
}

func model(name string) *engine.Model {
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Uint8, Shape: []int64{1}}}
	}
	return &engine.Model{Name: name, Version: "1.0", Source: name + ".mar", Backend: "sleeper", BatchAxis: true, Inputs: one("x"), Outputs: one("y")}
}

// store registers any name again, unless it refuses.
type store struct {
	cfg     knob.Config
	refuses atomic.Int32 // number of registrations that fail from now on
}

func (s *store) Open(_ context.Context, r management.Registration) (management.Opened, error) {
	if s.refuses.Add(-1) >= 0 {
		return management.Opened{}, errors.New("no memory")
	}
	return management.Opened{Model: model(strings.TrimSuffix(r.URL, ".mar")), Config: s.cfg}, nil
}

// testServer is our own server, which has the management API of TorchServe.
type testServer struct {
	inference, management string
	engine                *engine.Engine
	store                 *store
	keys                  string // path of key_file.json
}

func start(t *testing.T, modelAPI, tokens bool, names ...string) *testServer {
	t.Helper()
	return startWith(t, modelAPI, tokens, nil, names...)
}

// startTLS starts a server with https addresses and tokens.
func startTLS(t *testing.T, pair tls.Certificate, names ...string) *testServer {
	t.Helper()
	return startWith(t, true, true, &pair, names...)
}

func startWith(t *testing.T, modelAPI, tokens bool, pair *tls.Certificate, names ...string) *testServer {
	t.Helper()
	c := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
	c.BatchDelay = time.Millisecond
	s := &testServer{store: &store{cfg: c}, keys: filepath.Join(t.TempDir(), "key_file.json")}
	s.store.refuses.Store(-1 << 20)
	s.engine = engine.New(engine.Options{Backends: map[string]engine.Backend{"sleeper": sleeper{}}, Cores: 4})
	for _, name := range names {
		if err := s.engine.Load(t.Context(), model(name), c); err != nil {
			t.Fatal(err)
		}
	}
	cfg := server.Config{Inference: "127.0.0.1:0", Management: "127.0.0.1:0", Models: management.Config{ModelAPI: modelAPI, Opener: s.store}}
	scheme := "http://"
	if pair != nil {
		scheme = "https://"
		cfg.Inference, cfg.Management, cfg.TLS = "https://127.0.0.1:0", "https://127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*pair}}
	}
	if tokens {
		var err error
		if cfg.Tokens, err = token.New(s.keys, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	sv, err := server.Open(cfg, s.engine)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = s.engine.Close(context.Background())
	})
	a := sv.Addrs()
	s.inference, s.management = scheme+a.Inference, scheme+a.Management
	return s
}

func (s *testServer) config() torchserve.Config {
	return torchserve.Config{
		Management: []string{s.management}, Inference: s.inference, Cores: 2,
		Bodies: []load.Body{{Type: "application/octet-stream", Data: []byte{3}}},
	}
}

func (s *testServer) open(t *testing.T) *torchserve.Target {
	t.Helper()
	d, err := torchserve.Open(t.Context(), s.config())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// inForce returns what is in force, for a comparison.
func (s *testServer) inForce(t *testing.T, name string) string {
	t.Helper()
	for _, m := range s.engine.Services() {
		if m.Model().Name == name {
			low, high := m.Bounds()
			c := m.Config()
			return fmt.Sprintf("workers %d-%d, batch %d, delay %v", low, high, c.BatchSize, c.BatchDelay)
		}
	}
	return "no model"
}

// settings returns the settings in force with other values.
func settings(t *testing.T, d *torchserve.Target, workers, batch int, delay time.Duration) knob.Settings {
	t.Helper()
	info, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := info.Current
	s.Workers, s.BatchSize, s.BatchDelay = workers, batch, delay
	return s
}

// TestApply: workers are scaled, batches need a new registration, and Close restores what was there,
// also after the end of its context.
func TestApply(t *testing.T) {
	s := start(t, true, false, "m")
	d := s.open(t)
	before := s.inForce(t, "m")
	for _, c := range []struct {
		workers, batch int
		delay          time.Duration
		want           string
	}{
		{3, 1, time.Millisecond, "workers 3-3, batch 1, delay 1ms"},
		{3, 8, 5 * time.Millisecond, "workers 3-3, batch 8, delay 5ms"},
		{1, 8, 2 * time.Millisecond, "workers 1-1, batch 8, delay 2ms"},
	} {
		want := settings(t, d, c.workers, c.batch, c.delay)
		done, err := d.Apply(t.Context(), want)
		if err != nil || done.Settings != want || s.inForce(t, "m") != c.want {
			t.Errorf("%+v, %v; in force %s, want %s", done, err, s.inForce(t, "m"), c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Close(ended); err != nil || s.inForce(t, "m") != before {
		t.Errorf("after Close %s, %v; want %s", s.inForce(t, "m"), err, before)
	}
}

// TestWorkersBetween: a server with fewer workers than its largest number has as many again after Close.
func TestWorkersBetween(t *testing.T) {
	s := start(t, true, false, "m")
	for _, query := range []string{"min_worker=2&max_worker=2", "min_worker=1&max_worker=4"} {
		req, _ := http.NewRequest(http.MethodPut, s.management+"/models/m?synchronous=true&"+query, nil)
		if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
	}
	running := func() string {
		return fmt.Sprint(s.inForce(t, "m"), ", running ", len(s.engine.Services()[0].Workers()))
	}
	before := running()
	for _, workers := range []int{1, 3, 4} {
		d := s.open(t)
		if _, err := d.Apply(t.Context(), settings(t, d, workers, 1, time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(t.Context()); err != nil || running() != before {
			t.Errorf("after %d workers: %v, in force %s, before %s", workers, err, running(), before)
		}
	}
}

// TestFixed: without the model API only workers can change, and the reason says how to enable it.
func TestFixed(t *testing.T) {
	s := start(t, false, false, "m")
	d := s.open(t)
	defer d.Close(t.Context())
	info, err := d.Info(t.Context())
	if err != nil || !strings.Contains(info.Fixed[knob.BatchSize], "--enable-model-api") || info.Fixed[knob.Workers] != "" {
		t.Errorf("fixed %v, %v", info.Fixed, err)
	}
	if _, err := d.Apply(t.Context(), settings(t, d, 2, 1, time.Millisecond)); err != nil {
		t.Error(err)
	}
	if _, err := d.Apply(t.Context(), settings(t, d, 2, 8, time.Millisecond)); err == nil || !strings.Contains(err.Error(), "the model API is off") {
		t.Errorf("a batch size without the model API: %v", err)
	}
	p := plan.Default()
	if p, err = sweep.PlanFor(p, info); err != nil {
		t.Fatal(err)
	}
	points, _ := p.Points(info.Limits, info.Current, info.Fixed)
	if len(points) != 2 || points[1].Settings.Workers != 2 || points[1].Settings.BatchSize != 1 {
		t.Errorf("points %v", points)
	}
}

// TestFailedRegistration: if a registration fails, the model is registered as it was.
func TestFailedRegistration(t *testing.T) {
	s := start(t, true, false, "m")
	d := s.open(t)
	before := s.inForce(t, "m")
	s.store.refuses.Store(1)
	_, err := d.Apply(t.Context(), settings(t, d, 2, 8, time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "no memory") || s.inForce(t, "m") != before {
		t.Errorf("%v; in force %s, want %s", err, s.inForce(t, "m"), before)
	}
	s.store.refuses.Store(2)
	_, err = d.Apply(t.Context(), settings(t, d, 2, 8, time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "could not be restored") || !strings.Contains(err.Error(), "it was: url m.mar, min_worker 1, max_worker 1, batch_size 1, max_batch_delay 1") {
		t.Errorf("two failures: %v", err)
	}
	if err := d.Close(t.Context()); err != nil || s.inForce(t, "m") != before {
		t.Errorf("after Close %s, %v; want %s", s.inForce(t, "m"), err, before)
	}
}

// TestRestoreFile: what a killed program has not restored is restored by the next one, also if the model was
// not registered at that time.
func TestRestoreFile(t *testing.T) {
	s := start(t, true, false, "m")
	before := s.inForce(t, "m")
	c := s.config()
	file := filepath.Join(t.TempDir(), "restore.json")
	c.RestoreFiles = []string{file}
	for _, gone := range []bool{false, true} {
		killed, err := torchserve.Open(t.Context(), c) // never closed
		if err != nil {
			t.Fatal(err)
		}
		if _, err := killed.Apply(t.Context(), settings(t, killed, 3, 8, 5*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if gone {
			req, _ := http.NewRequest(http.MethodDelete, s.management+"/models/m/1.0", nil)
			if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			if text, err := torchserve.Restore(t.Context(), c, s.management, file); err != nil || !strings.HasPrefix(text, "m: url m.mar, min_worker 1") {
				t.Errorf("Restore: %q, %v", text, err)
			}
		} else {
			d, err := torchserve.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := d.Info(t.Context()); err != nil || len(info.Model.Warnings) != 1 {
				t.Errorf("warnings %q, %v", info.Model.Warnings, err)
			}
			if err := d.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := s.inForce(t, "m"); got != before {
			t.Errorf("in force %s, before %s", got, before)
		}
		if text, err := torchserve.Restore(t.Context(), c, s.management, file); err != nil || text != "" {
			t.Errorf("nothing to restore: %q, %v", text, err)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := torchserve.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "restore.json: unexpected end") {
		t.Errorf("a broken file: %v", err)
	}
}

// TestOpenErrors: what is missing is said before any load.
func TestOpenErrors(t *testing.T) {
	two := start(t, true, false, "a", "b")
	locked := start(t, true, true, "m")
	for _, c := range []struct {
		name   string
		server *testServer
		change func(*torchserve.Config)
		want   string
	}{
		{"no bodies", two, func(c *torchserve.Config) { c.Bodies = nil }, "--input FILE"},
		{"two models", two, func(*torchserve.Config) {}, "the server has 2 models (a, b): name one"},
		{"no model", two, func(c *torchserve.Config) { c.Model = "c" }, "404"},
		{"no inference address", two, func(c *torchserve.Config) { c.Inference = "" }, "give it with --inference URL"},
		{"no token", locked, func(*torchserve.Config) {}, "--key-file"},
		{"wrong address", two, func(c *torchserve.Config) { c.Model, c.Inference = "a", two.management }, "answered with 404"},
	} {
		cfg := c.server.config()
		c.change(&cfg)
		if _, err := torchserve.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestMaxRate: a closed load is held back to the limit and then has no verdict, and a planned one above it is refused.
func TestMaxRate(t *testing.T) {
	s := start(t, true, false, "m")
	c := s.config()
	c.MaxRate = 40
	d, err := torchserve.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	m := sweep.Measurement{
		Load: load.Spec{Concurrency: 4}, SLA: trial.SLA{Percentile: 50, Limit: time.Minute}, Max: 60,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	}
	r, err := d.Measure(t.Context(), m)
	if err != nil || r.Verdict.Result != trial.Undecided || r.Verdict.Leaning != trial.Undecided || !strings.Contains(r.Verdict.Why, "--max-rate 40 held back ") || !r.GeneratorLimited {
		t.Errorf("a closed load: %+v, %v", r.Verdict, err)
	}
	if rate, _ := r.Throughput.Value.Get(); rate > 50 {
		t.Errorf("%v requests/s", rate)
	}
	m.Load = load.Spec{Mode: load.Open, Rate: 41}
	if _, err := d.Measure(t.Context(), m); err == nil || !strings.Contains(err.Error(), "a load of 41 requests/s is above --max-rate 40") {
		t.Errorf("an open load: %v", err)
	}
	info, err := d.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Default()
	p.Loads = []load.Spec{m.Load}
	if _, err := sweep.PlanFor(p, info); err == nil || !strings.Contains(err.Error(), "a load of 41 requests/s is above --max-rate 40") {
		t.Errorf("a plan with an open load: %v", err)
	}
}
