package metrics_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
)

// start returns an engine with the model words that has answered ok requests and failed
// others.
func start(t *testing.T, ok, failed int) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &enginetest.Backend{}}, Cores: 2})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	if err := e.Load(t.Context(), enginetest.Model("words"), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s, err := e.Find("words", "")
	if err != nil {
		t.Fatal(err)
	}
	for range ok {
		if _, _, err := s.Do(t.Context(), enginetest.Request("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for range failed {
		if _, _, err := s.Do(t.Context(), enginetest.Request("fail"), nil); err == nil {
			t.Fatal("no error")
		}
	}
	if err := s.Scale(t.Context(), 0, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Do(t.Context(), enginetest.Request("x"), nil); err == nil {
		t.Fatal("no error without workers")
	}
	if err := s.Scale(t.Context(), 2, 2, nil); err != nil {
		t.Fatal(err)
	}
	return e
}

func config(e *engine.Engine) metrics.Config {
	return metrics.Config{
		Engine: e, Hostname: "host", Budget: wire.NewBudget(1000),
		Answers: func() []wire.Count {
			return []wire.Count{{Route: wire.RoutePing, Status: 200, N: 3}, {Route: wire.RoutePredictions, Status: 206, N: 2}, {Route: wire.RoutePredictions, Status: 404, N: 5}, {Route: wire.RouteOther, Status: 503, N: 7}}
		},
		Host: func() metrics.Host {
			return metrics.Host{CPUPercent: monitor.Of(12.5), Space: monitor.Space{MemoryUsed: monitor.Of(3 << 20), MemoryAvailable: monitor.Of(1 << 20), DiskUsed: monitor.Of(1 << 30), DiskFree: monitor.Of(3 << 30)}, GPUs: []monitor.GPUSample{{Reason: "n/a"}, {Percent: monitor.Of(40), MemoryBytes: monitor.Of(2 << 20)}}}
		},
	}
}

func scrape(t *testing.T, c metrics.Config, query string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics"+query, nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	metrics.New(c).ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); w.Code != 200 || got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Fatalf("%d, content type %q: %s", w.Code, got, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	got := scrape(t, config(start(t, 3, 1)), "")
	for _, want := range []string{
		`ts_inference_requests_total{model_name="words",model_version="1.0",hostname="host",} 5.0`,
		`ts_inference_latency_microseconds{model_name="words",model_version="1.0",hostname="host",} `,
		`ts_queue_latency_microseconds{model_name="words",model_version="1.0",hostname="host",} `,
		`Requests2XX{Level="Host",Hostname="host",} 5.0`,
		`Requests4XX{Level="Host",Hostname="host",} 5.0`,
		`Requests5XX{Level="Host",Hostname="host",} 7.0`,
		`QueueTime{Level="Host",Hostname="host",} `,
		`PredictionTime{ModelName="words",Level="Model",Hostname="host",} `,
		`HandlerTime{ModelName="words",Level="Model",Hostname="host",} `,
		`WorkerLoadTime{WorkerName="W-9001-words_1.0",Level="Host",Hostname="host",} `,
		`CPUUtilization{Level="Host",Hostname="host",} 12.5`,
		`MemoryUsed{Level="Host",Hostname="host",} 3.0`,
		`MemoryAvailable{Level="Host",Hostname="host",} 1.0`,
		`MemoryUtilization{Level="Host",Hostname="host",} 75.0`,
		`GPUUtilization{Level="Host",DeviceId="1",Hostname="host",} 40.0`,
		`GPUMemoryUsed{Level="Host",DeviceId="1",Hostname="host",} 2.0`,
		`DiskUsage{Level="Host",Hostname="host",} 1.0`,
		`DiskUtilization{Level="Host",Hostname="host",} 25.0`,
		`sweetspot_requests_total{model="words",version="1.0"} 5`,
		`sweetspot_rejections_total{model="words",reason="no_workers",version="1.0"} 1`,
		`sweetspot_rejections_total{model="words",reason="queue_full",version="1.0"} 0`,
		`sweetspot_rows_total{model="words",outcome="ok",version="1.0"} 3`,
		`sweetspot_rows_total{model="words",outcome="failed",version="1.0"} 1`,
		`sweetspot_batches_total{model="words",reason="full",version="1.0"} 4`,
		`sweetspot_batch_size_bucket{model="words",version="1.0",le="1"} 4`,
		`sweetspot_batch_size_sum{model="words",version="1.0"} 4`,
		`sweetspot_queue_rows{model="words",version="1.0"} 0`,
		`sweetspot_queue_rows_limit{model="words",version="1.0"} 100`,
		`sweetspot_workers{model="words",state="ready",version="1.0"} 2`,
		`sweetspot_ready{model="words",version="1.0"} 1`,
		`sweetspot_request_duration_seconds_count{model="words",version="1.0"} 3`,
		`sweetspot_queue_duration_seconds_count{model="words",version="1.0"} 4`,
		`sweetspot_batch_duration_seconds_count{model="words",version="1.0"} 4`,
		`sweetspot_batch_duration_seconds_bucket{model="words",version="1.0",le="+Inf"} 4`,
		`sweetspot_http_responses_total{code="404",route="predictions"} 5`,
		`sweetspot_request_memory_limit_bytes 1000`,
	} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want)).MatchString(got) {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
}

// The filter has whole metrics; the modes have all, three and none.
func TestFilterAndModes(t *testing.T) {
	c := config(start(t, 1, 0))
	for _, tt := range []struct {
		mode  metrics.Mode
		query string
		want  string // names, in their order
	}{
		{metrics.Prometheus, "?name[]=Requests2XX&name[]=sweetspot_batch_size_bucket", "Requests2XX sweetspot_batch_size"},
		{metrics.Prometheus, "?name[]=nothing", ""},
		{metrics.Legacy, "", "ts_inference_latency_microseconds ts_inference_requests_total ts_queue_latency_microseconds"},
		{metrics.Log, "", ""},
	} {
		c.Mode = tt.mode
		var names []string
		for line := range strings.Lines(scrape(t, c, tt.query)) {
			if f := strings.Fields(line); f[0] == "#" && f[1] == "TYPE" {
				names = append(names, f[2])
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.mode, tt.query, got, tt.want)
		}
	}
}

func TestRoutes(t *testing.T) {
	h := metrics.New(config(start(t, 0, 0)))
	for _, tt := range []struct {
		method, path string
		code         int
	}{
		{"GET", "/metrics", 200},
		{"DELETE", "/metrics", 200},
		{"GET", "/metrics/", 200},
		{"GET", "/", 405},
		{"OPTIONS", "/", 200},
		{"GET", "/api-description", 200},
		{"GET", "/metrics/x", 404},
		{"GET", "/ping", 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.code || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s %s: %d %v, want %d", tt.method, tt.path, w.Code, w.Header(), tt.code)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "OPTIONS" {
			t.Errorf("%s %s: Allow %q", tt.method, tt.path, w.Header().Get("Allow"))
		}
	}
}

// The text is compressed for a scraper that takes it.
func TestCompressed(t *testing.T) {
	for accept, compressed := range map[string]bool{"": false, "gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0, br": false, "x-gzip": false} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/metrics?name[]=Requests2XX", nil)
		r.Header.Set("Accept-Encoding", accept)
		metrics.New(config(start(t, 0, 0))).ServeHTTP(w, r)
		body := io.Reader(w.Body)
		if got := w.Header().Get("Content-Encoding"); (got == "gzip") != compressed {
			t.Errorf("%q: content encoding %q", accept, got)
		}
		if compressed {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		const want = "# HELP Requests2XX Answers with a status from 200 to 299.\n# TYPE Requests2XX counter\nRequests2XX{Level=\"Host\",Hostname=\"host\",} 5.0\n"
		if text, err := io.ReadAll(body); err != nil || string(text) != want {
			t.Errorf("%q: %q, %v", accept, text, err)
		}
	}
}

// A model name that is no UTF-8 does not fail the scrape.
func TestOddNames(t *testing.T) {
	e := start(t, 0, 0)
	m := enginetest.Model("words\xff\"\n")
	if err := e.Load(t.Context(), m, knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, config(e), "")
	for _, want := range []string{`sweetspot_ready{model="words?\"\n",version="1.0"} 1`, `ts_inference_requests_total{model_name="words?\"\n",model_version="1.0",hostname="host",} 0.0`} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// promtool accepts the format, and finds fault only with names that are TorchServe's.
func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: it is in the Debian package prometheus")
	}
	cmd := exec.CommandContext(t.Context(), tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t, config(start(t, 3, 1)), ""))
	out, err := cmd.CombinedOutput()
	const onlyNames = 3 // promtool's exit code for findings about names and help texts
	if exit, ok := err.(*exec.ExitError); err != nil && (!ok || exit.ExitCode() != onlyNames) {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if name, _, _ := strings.Cut(line, " "); !isTorchServes(name) {
			t.Errorf("promtool: %s", line)
		}
	}
}

func TestModeText(t *testing.T) {
	for _, m := range []metrics.Mode{metrics.Prometheus, metrics.Log, metrics.Legacy} {
		text, err := m.MarshalText()
		var back metrics.Mode
		if err != nil || back.UnmarshalText([]byte(strings.ToUpper(string(text)))) != nil || back != m {
			t.Errorf("%s: %v, %v", text, back, err)
		}
	}
	var m metrics.Mode
	if err := m.UnmarshalText([]byte("off")); err == nil {
		t.Error("no error")
	}
}
