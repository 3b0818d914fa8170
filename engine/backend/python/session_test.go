//go:build unix

package python

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/backend/python/peertest"
	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/backend/python/worker"
	"sweetspot/engine/gpu"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

func TestMain(m *testing.M) {
	peertest.Main()
	os.Exit(m.Run())
}

// peerBackend returns a backend whose workers are peers.
func peerBackend(t *testing.T) *Backend {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	b := New(Options{Cores: 8, Where: Where{Env: peertest.Env()}, command: func(Installation) []string { return peertest.Args() }})
	b.found = &Installation{Python: "peer", GPUs: 2}
	return b
}

// peerModel returns a model whose archive has a handler and a model-config.yaml.
func peerModel(t *testing.T, handlerName, yaml string) *engine.Model {
	t.Helper()
	dir := t.TempDir()
	manifest, err := json.Marshal(map[string]any{"model": map[string]string{"modelName": "m", "handler": handlerName, "configFile": "model-config.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"MAR-INF/MANIFEST.json": string(manifest), "model-config.yaml": yaml, "handler.py": ""} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &engine.Model{
		Name: "m", Version: "1.0", Source: dir, Backend: Name, Path: dir, BatchAxis: true, BatchWhy: "a handler", Handler: &handler.Parts{}, Unsampled: true,
	}
}

func settings(workers, batch int) knob.Config {
	s := knob.Default(knob.Eager)
	s.Workers, s.BatchSize, s.QueueSize = workers, batch, 1000
	return knob.Config{Settings: s, Options: knob.Options{Rule: knob.Eager}}
}

// serve loads a model of peers into an engine. done closes the engine.
func serve(t *testing.T, m *engine.Model, c knob.Config) (s *engine.ModelService, done func()) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{Name: peerBackend(t)}, Cores: 8, Log: slog.New(slog.DiscardHandler)})
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		t.Helper()
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%v, %v is left", left, err)
		}
	}
}

func request(text string) payload.Request {
	return payload.Request{Parts: []payload.Part{{Name: handler.WholeBody, Data: []byte(text)}}}
}

// ask returns the answer to a request.
func ask(t *testing.T, s *engine.ModelService, text string) (*payload.Bytes, error) {
	t.Helper()
	a, _, err := s.Do(t.Context(), request(text), nil)
	if err != nil {
		return &payload.Bytes{}, err
	}
	return a.Bytes, nil
}

func TestAnswers(t *testing.T) {
	s, done := serve(t, peerModel(t, "good.py", "handler:\n  precision: fp32\n"), settings(1, 4))
	defer done()
	for _, tt := range []struct {
		ask, want, media string
		status           int
		err              string
	}{
		{"hello", "HELLO", "text/plain", 200, ""},
		{"status 418 tea", "tea", "", 418, ""},
		{"status 99 x", "", "", 0, "the handler set the status 99; want one from 200 to 599"},
		{"stream a b", "ab.", "text/plain", 200, ""},
		{"raise", "", "", 0, "the status 503: Prediction failed: ValueError: bad picture"},
		{"env OMP_NUM_THREADS", "1", "", 200, ""},
		{"missing", "", "", 0, "left request 1 of a batch of 1 unanswered"},
		{"after it", "AFTER IT", "text/plain", 200, ""},
		{"stranger", "", "", 0, `an unknown request "stranger"`},
		{"garbage", "", "", 0, "the length -256"},
		{"die", "", "", 0, "(exit status 3): MemoryError: no memory"},
		{"kill", "", "", 0, "(killed by signal 9, killed)"},
		{"again", "AGAIN", "text/plain", 200, ""},
	} {
		got, err := ask(t, s, tt.ask)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.ask, err, tt.err)
			}
			continue
		}
		if err != nil || string(got.Body) != tt.want || got.Status != tt.status || got.Type != tt.media {
			t.Errorf("%s: %+v, %v; want %q %d %s", tt.ask, got, err, tt.want, tt.status, tt.media)
		}
	}
	if st := s.Stats(); st.LostSessions != 5 {
		t.Errorf("%d sessions were lost, want 5", st.LostSessions)
	}
}

// A failed batch has the handler's status, and only its own error.
func TestStatusOfFailedBatch(t *testing.T) {
	s, done := serve(t, peerModel(t, "good.py", "a: b\n"), settings(1, 1))
	defer done()
	_, err := ask(t, s, "fail")
	var status *payload.StatusError
	if !errors.As(err, &status) || status.Status != 503 || status.Message != "Prediction failed" || status.Cause != "" || errors.Is(err, engine.ErrSessionLost) {
		t.Errorf("fail: %v", err)
	}
}

// The pieces of a streamed answer reach a caller that takes them, and only that one.
func TestStream(t *testing.T) {
	s, done := serve(t, peerModel(t, "good.py", "a: b\n"), settings(1, 1))
	defer done()
	r := request("stream a b c")
	r.Streamed = true
	a, _, err := s.Do(t.Context(), r, nil)
	if err != nil || a.Stream == nil {
		t.Fatalf("%+v, %v", a, err)
	}
	var text strings.Builder
	for err == nil {
		var piece []byte
		piece, err = a.Stream.Next(t.Context())
		text.Write(piece)
	}
	if text.String() != "abc." || a.Stream.Head().Type != "text/plain" {
		t.Errorf("%q, head %+v, %v", &text, a.Stream.Head(), err)
	}
}

// The model's RunTime ends a worker that hangs; its request gets an error, and the next one an
// answer.
func TestHang(t *testing.T) {
	m := peerModel(t, "good.py", "a: b\n")
	m.RunTime = 50 * time.Millisecond
	s, done := serve(t, m, settings(1, 1))
	defer done()
	_, err := ask(t, s, "hang")
	if !errors.Is(err, engine.ErrSessionLost) || !strings.Contains(err.Error(), "within 50ms, the response timeout") {
		t.Errorf("hang: %v", err)
	}
	for { // a busy machine may need more than the 50 ms for an answer
		got, err := ask(t, s, "on")
		if err == nil && string(got.Body) == "ON" {
			break
		}
		if !errors.Is(err, engine.ErrSessionLost) || t.Context().Err() != nil {
			t.Fatalf("after it: %+v, %v", got, err)
		}
	}
}

// Workers that are killed while they are idle are replaced before a request needs them, so that none gets an error.
func TestKilledWhileIdle(t *testing.T) {
	s, done := serve(t, peerModel(t, "good.py", "a: b\n"), settings(2, 1))
	defer done()
	ready := func() (pids []int) {
		for _, w := range s.Workers() {
			if w.Ready {
				pids = append(pids, w.PID)
			}
		}
		return pids
	}
	for round := range 3 {
		before := ready()
		for _, pid := range before {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		for now := before; len(now) < 2 || slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) }); now = ready() {
			if t.Context().Err() != nil {
				t.Fatalf("round %d: the workers %v were not replaced", round, before)
			}
			time.Sleep(time.Millisecond)
		}
		for range 4 {
			if got, err := ask(t, s, "on"); err != nil || string(got.Body) != "ON" {
				t.Errorf("round %d: %q, %v", round, got.Body, err)
			}
		}
	}
	if st := s.Stats(); st.LostSessions != 6 || st.Failed != 0 {
		t.Errorf("%d sessions lost, %d requests failed; want 6 and 0", st.LostSessions, st.Failed)
	}
}

func TestLoadErrors(t *testing.T) {
	for handlerName, want := range map[string]string{
		"missing.py": "m: the worker did not load the model (exit status 1): ModuleNotFoundError: No module named 'detectron2'",
		"runtime.py": "RuntimeError: no weights",
	} {
		_, err := peerBackend(t).Open(t.Context(), peerModel(t, handlerName, "a: b\n"), settings(1, 1))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", handlerName, err, want)
		}
	}
	b, m := peerBackend(t), peerModel(t, "good.py", "a: b\n")
	for name, tt := range map[string]struct {
		change func(*knob.Config)
		want   string
	}{
		"fp16":    {func(c *knob.Config) { c.Precision = knob.HalfPrecision }, "the archive does not say that its handler knows it"},
		"threads": {func(c *knob.Config) { c.Threads = 9 }, "threads: 9 is outside 1-8"},
		"shared":  {func(c *knob.Config) { c.Session = "shared" }, "a process of its own"},
		"pin":     {func(c *knob.Config) { c.Graph = "off" }, "graph: not available"},
		"device":  {func(c *knob.Config) { c.Device = "tpu" }, "want gpu, gpu:N or gpu:UUID"},
		"gpu":     {func(c *knob.Config) { c.Device = "gpu:2" }, "there is no gpu:2; usable: gpu:0, gpu:1; torch sees 2"},
	} {
		c := settings(1, 1)
		tt.change(&c)
		if _, err := b.Open(t.Context(), m, c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// The settings reach the worker.
func TestSettingsReachTheWorker(t *testing.T) {
	m := peerModel(t, "good.py", "handler:\n  precision: fp32 # of the weights\n")
	s, done := serve(t, m, settings(1, 3))
	defer done()
	want := s.Config().Settings
	want.Precision, want.Threads, want.Device = knob.HalfPrecision, 2, "gpu"
	if err := s.Apply(t.Context(), want, nil); err != nil {
		t.Fatal(err)
	}
	loaded, err := ask(t, s, "load")
	if err != nil || !strings.Contains(string(loaded.Body), "BatchSize:3 Handler:good.py GPU:1") {
		t.Errorf("loaded with %s, %v", loaded.Body, err)
	}
	if threads, err := ask(t, s, "env OMP_NUM_THREADS"); err != nil || string(threads.Body) != "2" {
		t.Errorf("threads %s, %v", threads.Body, err)
	}
	_, dir, _ := strings.Cut(string(loaded.Body), "Dir:")
	dir, _, _ = strings.Cut(dir, " ")
	text, err := os.ReadFile(filepath.Join(dir, "model-config.yaml"))
	if err != nil || string(text) != "handler:\n  precision: fp16 # of the weights\n" {
		t.Errorf("the worker sees %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "MAR-INF", "MANIFEST.json")); err != nil {
		t.Error(err)
	}
	if own, err := os.ReadFile(filepath.Join(m.Path, "model-config.yaml")); err != nil || !strings.Contains(string(own), "fp32") {
		t.Errorf("the archive's own file is %q, %v", own, err)
	}
}

// Workers, batch size, threads and precision change under load, while some requests kill their
// workers: every request is answered, with its own answer or with the error of its own crash.
func TestChangesUnderLoad(t *testing.T) {
	s, done := serve(t, peerModel(t, "good.py", "handler: {precision: fp32}\n"), settings(2, 4))
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var answered, crashed [4]int
	for i := range answered {
		clients.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				text := "word " + strconv.Itoa(i*1000+k)
				if (k+i)%40 == 39 {
					text = "kill"
				}
				switch got, err := ask(t, s, text); {
				case errors.Is(err, engine.ErrSessionLost):
					crashed[i]++
				case err != nil || string(got.Body) != strings.ToUpper(text):
					t.Errorf("%s: %q, %v", text, got.Body, err)
				default:
					answered[i]++
				}
			}
		})
	}
	for i := range 12 {
		want := s.Config().Settings
		want.Workers, want.BatchSize, want.Threads = 1+i%3, 1+i%4, 1+i/6
		want.Precision = []knob.Precision{knob.FullPrecision, knob.HalfPrecision}[i/4%2]
		if err := s.Apply(t.Context(), want, nil); err != nil {
			t.Errorf("apply %d: %v", i, err)
		}
	}
	cancel()
	clients.Wait()
	st := s.Stats()
	if st.Accepted != st.OK+st.Failed || st.Refused+st.Cancelled+st.Expired != 0 {
		t.Errorf("stats %+v: not every request was answered", st)
	}
	t.Logf("answered %v, crashed %v, %d sessions lost", answered, crashed, st.LostSessions)
}

// What workers print as metrics adds up, whichever worker it was.
func TestHandlerMetrics(t *testing.T) {
	var s series
	for _, text := range []string{
		"[METRICS]Cats.Count:2|#Level:Model|#type:COUNTER|#hostname:h,1,id", "[METRICS]Cats.Count:3|#Level:Model|#type:COUNTER|#hostname:h,2,id",
		"[METRICS]Size.Megabytes:2|#Level:Model|#type:GAUGE|#hostname:h,1,id", "[METRICS]Size.Megabytes:1|#Level:Model|#type:GAUGE|#hostname:h,2,id",
		"[METRICS]broken", "another line",
	} {
		(&lines{log: slog.New(slog.DiscardHandler), metrics: &s}).add(worker.Line{Text: text})
	}
	got := fmt.Sprint(s.list())
	if got != "[{Cats Count 1 [{Level Model}] 5 2} {Size Megabytes 0 [{Level Model}] 1 2}]" {
		t.Errorf("metrics %s", got)
	}
	for i := range 2 * mostSeries {
		s.add(protocol.Metric{Name: fmt.Sprint("m", i)})
	}
	if n := len(s.list()); n != mostSeries {
		t.Errorf("%d series, want at most %d", n, mostSeries)
	}
}

// More workers than fit into the memory are refused, once the memory of one is known.
func TestMemory(t *testing.T) {
	for text, want := range map[string]int64{
		"55d0-7ff ---p 00000000 00:00 0 [rollup]\nRss:  300 kB\nPrivate_Clean:   8 kB\nPrivate_Dirty:     64 kB\n": 64 << 10,
		"": 0, "Private_Dirty: x kB\n": 0, "Private_Dirty: -5 kB\n": 0, "Private_Dirty: 5\n": 0, "Private_Dirty: 99999999999999999999 kB\n": 0,
	} {
		if got := ownMemory(text); got != want {
			t.Errorf("%q = %d, want %d", text, got, want)
		}
	}
	b, m := New(Options{Cores: 8}), &engine.Model{Name: "m"}
	if got := b.Estimate(m, settings(3, 1)); got != 0 {
		t.Errorf("before the first worker %d", got)
	}
	b.memory = map[string]int64{versionKey(m): 100}
	if got := b.Estimate(m, settings(3, 1)); got != 300 {
		t.Errorf("three workers %d, want 300", got)
	}
}

func TestBatchIDs(t *testing.T) {
	rows := make([]payload.Row, 4)
	for i, id := range []string{"a", "", "a", "b"} {
		rows[i].Message = &payload.Message{ID: id}
	}
	b := newBatch(rows)
	if b.messages[0].ID != "a" || b.messages[3].ID != "b" || len(b.rows) != 4 {
		t.Errorf("IDs %v", b.rows)
	}
	if id := b.messages[1].ID; len(id) != 36 || rows[1].Message.ID != "" {
		t.Errorf("ID %q", id)
	}
}

func TestGPUs(t *testing.T) {
	b := New(Options{})
	var got []string
	for _, device := range []string{"gpu", "gpu", "gpu:1", "gpu", "cpu"} {
		k, err := b.takeGPU(device, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(k))
	}
	if text := strings.Join(got, " "); text != "1 0 1 0 -1" { // the first worker of TorchServe is on GPU 1
		t.Errorf("GPUs %s", text)
	}
	b.gpus.Release(1)
	if k, err := b.takeGPU("gpu", 2); k != 1 || err != nil {
		t.Errorf("after a release: %d, %v", k, err)
	}
	for _, c := range []struct {
		device string
		count  int
		want   string
	}{
		{"gpu", 0, "torch sees no GPU on this machine; use cpu"},
		{"gpu:2", 2, "there is no gpu:2; usable: gpu:0, gpu:1"},
		{"gpu:GPU-bb", 2, "torch sees 2"},
	} {
		if _, err := b.takeGPU(c.device, c.count); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %d: %v, want %q", c.device, c.count, err, c.want)
		}
	}
}

// TestGPUByUUID: the driver's list gives torch's GPUs their UUIDs, if it has as many.
func TestGPUByUUID(t *testing.T) {
	b := New(Options{Devices: []gpu.Device{{UUID: "GPU-aa"}, {UUID: "GPU-bb"}}})
	if k, err := b.takeGPU("gpu:GPU-bb", 2); k != 1 || err != nil {
		t.Errorf("GPU-bb is %d, %v", k, err)
	}
	if _, err := b.takeGPU("gpu:GPU-bb", 1); err == nil {
		t.Error("a UUID was used although torch sees another number of GPUs")
	}
}
