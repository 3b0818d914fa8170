package control_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// doubler is a backend without fp16 that takes 10 ms to open and 1 ms to run.
type doubler struct{}

func (doubler) Open(ctx context.Context, _ *engine.Model, c knob.Config) (engine.Session, error) {
	if c.Precision == knob.HalfPrecision {
		return nil, errors.New("no fp16 here")
	}
	select {
	case <-time.After(10 * time.Millisecond):
		return doubler{}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
func (doubler) Shared() bool { return true }
func (doubler) Close() error { return nil }

func (doubler) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	time.Sleep(time.Millisecond)
	for i := range in {
		out[i].Outputs = in[i].Item
	}
	return nil
}

// used is the usage of the process, on a system that reports no peak memory.
var used = control.Usage{CPUSeconds: 1.5, RSSBytes: monitor.Of(1 << 40)}

// start serves a model m under the eager rule on 4 cores.
func start(t *testing.T) (*engine.Engine, *control.API) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"doubler": doubler{}}, Cores: 4})
	x := []tensor.Spec{{Name: "x", Type: tensor.Int64, Shape: []int64{-1}, Bounded: true, Max: 9}}
	m := &engine.Model{
		Name: "m", Version: "1.0", Source: "builtin:m", SHA256: "ab", Backend: "doubler",
		BatchAxis: true, BatchWhy: "two items gave what one gives", Inputs: x, Outputs: x,
	}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	usage := func() *control.Usage { return &used }
	return e, control.New(e, control.Host{Cores: 4, MemoryMB: 1000, Runtime: func() string { return "doubler 1.0" }, Usage: usage})
}

func do(ctx context.Context, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

const settingsPath = "/engine/v1/models/m/settings"

func TestInfo(t *testing.T) {
	_, h := start(t)
	got := decode[control.Info](t, do(t.Context(), h, "GET", "/engine/v1/info", ""))
	x := []tensor.Spec{{Name: "x", Type: tensor.Int64, Shape: []int64{-1}, Bounded: true, Max: 9}}
	want := control.Info{
		Cores: 4, MemoryMB: 1000, Runtime: "doubler 1.0",
		Models: []control.Model{{
			Name: "m", Version: "1.0", Source: "builtin:m", SHA256: "ab", BatchAxis: true, BatchWhy: "two items gave what one gives", Backend: "doubler",
			Inputs: x, Outputs: x, Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager},
			Limits: control.Limits{Rule: knob.Eager, Cores: 4, BatchAxis: true, BatchWhy: "two items gave what one gives"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestStats(t *testing.T) {
	e, h := start(t)
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Submit(t.Context(), tensor.Item{{Type: tensor.Int64, Shape: []int64{0}}}); err != nil {
		t.Fatal(err)
	}
	s.Observe(time.Microsecond, 2*time.Microsecond)
	got := decode[control.Stats](t, do(t.Context(), h, "GET", "/engine/v1/stats", ""))
	want := control.Stats{Models: map[string]engine.Stats{"m": s.Stats()}, Process: &used}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b monitor.Reading) bool { return a == b })); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if m := got.Models["m"]; m.OK != 1 || m.Workers != 1 || m.DecodeNS != 1000 || m.Sizes[1] != 1 {
		t.Errorf("stats of m = %+v", m)
	}
	for name, unknown := range map[string]func() *control.Usage{"no": nil, "failed": func() *control.Usage { return nil }} {
		w := do(t.Context(), control.New(e, control.Host{Usage: unknown}), "GET", "/engine/v1/stats", "")
		if !strings.Contains(w.Body.String(), `"process": null`) {
			t.Errorf("%s usage is not null: %s", name, w.Body)
		}
	}
}

func TestBatches(t *testing.T) {
	e, h := start(t)
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Submit(t.Context(), tensor.Item{{Type: tensor.Int64, Shape: []int64{0}}}); err != nil {
		t.Fatal(err)
	}
	w := do(t.Context(), h, "GET", "/engine/v1/models/m/batches", "")
	got := decode[control.Batches](t, w)
	want := control.Batches{BatchSize: 1, Workers: 1, Batches: s.RecentBatches()}
	if diff := cmp.Diff(want, got); diff != "" || len(got.Batches) != 1 || !strings.Contains(w.Body.String(), `"left": "full"`) {
		t.Errorf("-want +got\n%s\n%s", diff, w.Body)
	}
	if w := do(t.Context(), h, "GET", "/engine/v1/models/other/batches", ""); w.Code != 404 {
		t.Errorf("another model: %d", w.Code)
	}
}

func TestErrors(t *testing.T) {
	_, h := start(t)
	tests := []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/", "", 404, "no such resource: /"},
		{"GET", "/engine/v1/nothing", "", 404, "no such resource: /engine/v1/nothing"},
		{"POST", "/engine/v1/info", "", 405, "/engine/v1/info does not take POST; it takes GET"},
		{"DELETE", settingsPath, "", 405, settingsPath + " does not take DELETE; it takes GET, PUT"},
		{"GET", "/engine/v1/models/n/settings", "", 404, "Model not found: n"},
		{"PUT", "/engine/v1/models/n/settings", "{}", 404, "Model not found: n"},
		{"PUT", settingsPath, "", 400, "unexpected end of JSON input"},
		{"PUT", settingsPath, "[]", 400, "settings: want an object of knobs: json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
		{"PUT", settingsPath, `{"workers":2} 3`, 400, "invalid character '3' after top-level value"},
		{"PUT", settingsPath, `{"batchsize":2}`, 400, `settings: "batchsize": unknown knob; did you mean batch_size?`},
		{"PUT", settingsPath, `{"prefetch":2}`, 400, `"prefetch": unknown knob; known: workers, batch_size, batch_delay_ms, precision, device, threads, queue_size, session, spin, pin, graph, inter_op, arena`},
		{"PUT", settingsPath, `{"workers":0,"threads":9}`, 400, "workers: 0 is outside 1-256; threads: 9 is outside 1-4"},
		{"PUT", settingsPath, strings.Repeat(" ", 70000), 413, "the request body of 70000 bytes is above the limit of 65536 bytes; send less"},
	}
	for _, tt := range tests {
		w := do(t.Context(), h, tt.method, tt.path, tt.body)
		e := decode[wire.Error](t, w)
		if w.Code != tt.code || e.Code != tt.code || e.Message != tt.want {
			t.Errorf("%s %s %s: %d %q, want %d %q", tt.method, tt.path, tt.body[:min(30, len(tt.body))], w.Code, e.Message, tt.code, tt.want)
		}
	}
	if got, want := decode[knob.Settings](t, do(t.Context(), h, "GET", settingsPath, "")), knob.Default(knob.Eager); got != want {
		t.Errorf("settings = %v, want %v", got, want)
	}
}

// lines reads the answer to a PUT and sets all times to 0.
func lines(t *testing.T, w *httptest.ResponseRecorder) []control.Line {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != control.TypeLines {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var out []control.Line
	for sc := bufio.NewScanner(w.Body); sc.Scan(); {
		var l control.Line
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatalf("%v in %s", err, sc.Text())
		}
		l.MS = 0
		out = append(out, l)
	}
	return out
}

func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := start(t)
		now := knob.Default(knob.Eager)
		check := func(body string, want ...control.Line) {
			t.Helper()
			got := lines(t, do(t.Context(), h, "PUT", settingsPath, body))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", body, diff)
			}
		}
		now.BatchSize, now.QueueSize = 8, 50
		check(`{"batch_size":8,"queue_size":50}`, control.Line{Step: "switch"}, control.Line{Applied: &now})
		now.Workers = 2
		check(`{"workers":2}`, control.Line{Step: "warm worker 1 of 1"}, control.Line{Step: "switch"}, control.Line{Applied: &now})
		check(`{"precision":"fp16","batch_size":4}`, control.Line{Error: "no fp16 here", Kept: &now})
		if got := decode[knob.Settings](t, do(t.Context(), h, "GET", settingsPath, "")); got != now {
			t.Errorf("settings = %v, want %v", got, now)
		}
	})
}

// Concurrent partial changes are all applied, and a step is sent when it ends.
func TestConcurrentChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := start(t)
		var wg sync.WaitGroup
		for _, body := range []string{`{"batch_size":8}`, `{"workers":3}`, `{"queue_size":7}`, `{"threads":1,"batch_delay_ms":2.5}`} {
			wg.Go(func() { do(t.Context(), h, "PUT", settingsPath, body) })
		}
		wg.Wait()
		want := knob.Settings{Workers: 3, BatchSize: 8, BatchDelay: 2500 * time.Microsecond, Precision: knob.FullPrecision, Device: "cpu", Threads: 1, QueueSize: 7}
		if got := decode[knob.Settings](t, do(t.Context(), h, "GET", settingsPath, "")); got != want {
			t.Errorf("settings = %v, want %v", got, want)
		}
	})
}

// A client that disconnects cancels its change, running or waiting.
func TestCancelledChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := start(t)
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		answers := make([]*httptest.ResponseRecorder, 2)
		wg.Go(func() { answers[0] = do(ctx, h, "PUT", settingsPath, `{"threads":2}`) })
		synctest.Wait() // it opens the second pool
		wg.Go(func() { answers[1] = do(ctx, h, "PUT", settingsPath, `{"workers":4}`) })
		synctest.Wait()
		cancel()
		wg.Wait()
		was := knob.Default(knob.Eager)
		want := []control.Line{{Error: "context canceled", Kept: &was}}
		if diff := cmp.Diff(want, lines(t, answers[0])); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if got := decode[knob.Settings](t, do(t.Context(), h, "GET", settingsPath, "")); got != was {
			t.Errorf("settings = %v, want %v", got, was)
		}
	})
}
