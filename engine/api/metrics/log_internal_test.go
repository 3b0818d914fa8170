package metrics

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/logfile"
	"sweetspot/engine/monitor"
)

// logged returns a log in a new folder, and what makes the engine answer requests.
func logged(t *testing.T, mode Mode, answers *[]wire.Count) (l *LogFiles, dir string, ask func(n int)) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &enginetest.Backend{}}, Cores: 2})
	if err := e.Load(t.Context(), enginetest.Model("words"), knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	dir = filepath.Join(t.TempDir(), "logs")
	l, err := NewLogFiles(Config{
		Mode: mode, Engine: e, Hostname: "host", Answers: func() []wire.Count { return *answers },
		Host: func() Host { return Host{CPUPercent: monitor.Of(50)} },
	}, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Find("words", "")
	if err != nil {
		t.Fatal(err)
	}
	return l, dir, func(n int) {
		for range n {
			if _, _, err := s.Do(t.Context(), enginetest.Request("x"), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// read returns a log file with its times and measured values replaced.
func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3} - `).ReplaceAllString(string(b), "AT ")
	text = regexp.MustCompile(`((?:seconds|Milliseconds|\.ms)):\d+\.\d+`).ReplaceAllString(text, "$1:TIME")
	return regexp.MustCompile(`timestamp:\d+`).ReplaceAllString(text, "timestamp:N")
}

// The lines have TorchServe's format: increases of counters, values of gauges that changed, and
// the machine once a minute.
func TestLogFiles(t *testing.T) {
	answers := []wire.Count{{Route: wire.RoutePredictions, Status: 200, N: 3}, {Route: wire.RouteOther, Status: 404, N: 1}}
	l, dir, ask := logged(t, Log, &answers)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ask(3)
	for range 2 { // the second one has nothing to say
		if err := l.write(now); err != nil {
			t.Fatal(err)
		}
	}
	answers[0].N = 5
	ask(2)
	if err := l.write(now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	const host = "|#Level:Host|#hostname:host,timestamp:N\n"
	const words = "|#model_name:words,model_version:1.0|#hostname:host,timestamp:N\n"
	waits := "AT ts_queue_latency_microseconds.Microseconds:TIME" + words
	queue := "AT QueueTime.Milliseconds:TIME" + host
	want := "AT ts_inference_requests_total.Count:3.0" + words +
		"AT ts_inference_latency_microseconds.Microseconds:TIME" + words +
		"AT ts_queue_latency_microseconds.Microseconds:TIME" + words +
		"AT WorkerLoadTime.Milliseconds:TIME|#WorkerName:W-9000-words_1.0,Level:Host|#hostname:host,timestamp:N\n" +
		queue +
		"AT Requests2XX.Count:3.0" + host + "AT Requests4XX.Count:1.0" + host +
		"AT CPUUtilization.Percent:50.0" + host +
		"AT ts_inference_requests_total.Count:2.0" + words +
		"AT ts_inference_latency_microseconds.Microseconds:TIME" + words +
		"AT ts_queue_latency_microseconds.Microseconds:TIME" + words +
		queue +
		"AT Requests2XX.Count:2.0" + host +
		"AT CPUUtilization.Percent:50.0" + host
	got := read(t, dir, "ts_metrics.log")
	// A wait may be the same twice, and the sum of waits may not grow: a request that meets an idle
	// worker need not wait at all.
	steady := strings.NewReplacer(queue, "", waits, "")
	if diff := cmp.Diff(steady.Replace(want), steady.Replace(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	model := read(t, dir, "model_metrics.log")
	for _, name := range []string{"PredictionTime", "HandlerTime"} {
		if line := "AT " + name + ".ms:TIME|#ModelName:words,Level:Model|#hostname:host,timestamp:N\n"; !strings.Contains(model, line) {
			t.Errorf("no %s in %s", line, model)
		}
	}
}

// In the mode legacy, the three metrics of predictions are at /metrics and in no file.
func TestLogFilesLegacy(t *testing.T) {
	answers := []wire.Count{{Route: wire.RoutePing, Status: 200, N: 1}}
	l, dir, ask := logged(t, Legacy, &answers)
	ask(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx); err != nil { // it writes once at its end
		t.Fatal(err)
	}
	got := read(t, dir, "ts_metrics.log")
	if strings.Contains(got, "ts_") || !strings.Contains(got, "Requests2XX.Count:1.0") {
		t.Errorf("%s", got)
	}
}

func TestJavaDouble(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 1: "1.0", 0.25: "0.25", 1e21: "1000000000000000000000.0", 12.5: "12.5"} {
		if got := javaDouble(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// What cannot be written while the disk has an error is written once it works again: the sum of the increases is the counter.
func TestLogFilesAfterAnError(t *testing.T) {
	answers := []wire.Count{{Route: wire.RoutePredictions, Status: 200, N: 1}}
	l, dir, ask := logged(t, Log, &answers)
	write := func(n int) error {
		ask(n)
		return l.write(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	}
	if err := write(1); err != nil {
		t.Fatal(err)
	}
	frontendFile := l.files[frontend]
	broken, err := logfile.Open(filepath.Join(dir, "broken"))
	if err == nil {
		err = broken.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	l.files[frontend] = broken
	for range 2 {
		if err := write(1); err == nil {
			t.Error("no error of a file that cannot be written")
		}
	}
	l.files[frontend] = frontendFile
	if err := write(2); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	got := regexp.MustCompile(`ts_inference_requests_total\.Count:(\S+?)\|`).FindAllStringSubmatch(read(t, dir, "ts_metrics.log"), -1)
	if len(got) != 2 || got[0][1] != "1.0" || got[1][1] != "4.0" {
		t.Errorf("increases %q, want 1.0 and 4.0", got)
	}
}
