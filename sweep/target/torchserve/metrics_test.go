package torchserve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// frontendLine and backendLine are lines that TorchServe 0.12 has written.
const (
	frontendLine = "2026-11-30T05:36:22,763 - ts_queue_latency_microseconds.Microseconds:186.838|#model_name:scale,model_version:1.0|#hostname:vm,timestamp:1796016982"
	backendLine  = "2026-11-30T05:36:22,766 - PredictionTime.ms:0.35|#ModelName:scale,Level:Model|#hostname:vm,requestID:14a6325f-c34b-444d-b081-45c53d4f6d50,14a6325f-c34b-444d-b081-45c53d4f6d51,timestamp:1796016982"
)

func TestParseLine(t *testing.T) {
	m, ok := parseLine([]byte(frontendLine))
	if !ok || m.name != queueSum || m.value != 186.838 || m.labels["model_name"] != "scale" || m.labels["model_version"] != "1.0" || m.requests != nil {
		t.Errorf("%+v, %t", m, ok)
	}
	m, ok = parseLine([]byte(backendLine))
	if !ok || m.name != "PredictionTime" || m.value != .35 || m.labels["ModelName"] != "scale" || len(m.requests) != 2 {
		t.Errorf("%+v, %t", m, ok)
	}
	for _, line := range []string{"", " - ", "x - y", "a - b:c|#d", "a - n.ms:-1|#d:e|#hostname:h", "a - n.ms:NaN|#d:e|#hostname:h"} {
		if m, ok := parseLine([]byte(line)); ok {
			t.Errorf("%q: %+v", line, m)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(frontendLine))
	f.Add([]byte(backendLine))
	f.Fuzz(func(t *testing.T, line []byte) {
		if m, ok := parseLine(line); ok && (m.name == "" || m.value < 0 || m.value-m.value != 0 || m.labels == nil) {
			t.Errorf("%q: %+v", line, m)
		}
	})
}

const exposition = `# HELP ts_queue_latency_microseconds Torchserve prometheus metric with unit: Microseconds
# TYPE ts_queue_latency_microseconds counter
ts_queue_latency_microseconds{model_name="scale",model_version="1.0",hostname="vm",} 3203.5
ts_queue_latency_microseconds{model_name="scale",model_version="default",hostname="vm",} 7.0
# TYPE ts_inference_requests_total counter
ts_inference_requests_total{model_name="scale",model_version="1.0",hostname="vm",} 5.0
ts_inference_latency_microseconds{model_name="scale",model_version="1.0",hostname="vm",} 37304.495
PredictionTime{ModelName="scale",Level="Model",Hostname="vm",} 0.36
`

func TestParseMetrics(t *testing.T) {
	r, found, err := parseMetrics([]byte(exposition), "scale", "1.0")
	if err != nil || !found || r.requests != 5 || r.queue != 3203.5 || r.latency != 37304.495 {
		t.Errorf("%+v, %t, %v", r, found, err)
	}
	if _, found, err := parseMetrics([]byte(exposition), "scale", "2.0"); found || err != nil {
		t.Errorf("another version: %t, %v", found, err)
	}
	wrong := strings.Replace(exposition, "# TYPE ts_queue_latency_microseconds counter", "# TYPE ts_queue_latency_microseconds gauge", 1)
	if _, _, err := parseMetrics([]byte(wrong), "scale", "1.0"); err == nil || !strings.Contains(err.Error(), "ts_queue_latency_microseconds is no counter") {
		t.Errorf("a gauge: %v", err)
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add([]byte(exposition))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, found, err := parseMetrics(text, "scale", "1.0")
		if err == nil && (r.requests < 0 || r.latency < 0 || r.queue < 0 || !found && r.requests > 0) {
			t.Errorf("%q: %+v, %t", text, r, found)
		}
	})
}

// scale is the model of the lines.
var scale = description{Name: "scale", Version: "1.0"}

// line is a line of a metric log.
func line(name string, value float64, labels, rest string) string {
	return fmt.Sprintf("2026-11-30T05:36:22,763 - %s:%v|#%s|#hostname:vm%s,timestamp:1796016982\n", name, value, labels, rest)
}

// TestLogs: what is added to the files counts, also after they were rotated and where a line comes in two parts.
func TestLogs(t *testing.T) {
	dir := t.TempDir()
	frontend, backend := filepath.Join(dir, "ts_metrics.log"), filepath.Join(dir, "model_metrics.log")
	add := func(path, text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	const model = "model_name:scale,model_version:1.0"
	add(frontend, line(requestsTotal+".Count", 1, model, ""))
	add(backend, "")
	l, err := openLogs(dir, scale)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	read := func() reading {
		t.Helper()
		r, err := l.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := read(); r.requests != 0 {
		t.Errorf("lines before the start count: %+v", r)
	}
	whole := line(latencySum+".Microseconds", 2000, model, "")
	add(frontend, line(requestsTotal+".Count", 1, model, "")+line(queueSum+".Microseconds", 500, model, "")+whole[:20])
	if r := read(); r.requests != 1 || r.queue != 500 || r.latency != 0 {
		t.Errorf("%+v", r)
	}
	add(frontend, whole[20:]+line(queueSum+".Microseconds", 9, "model_name:other,model_version:1.0", ""))
	if err := os.Rename(frontend, frontend+".1"); err != nil {
		t.Fatal(err)
	}
	if r := read(); r.latency != 2000 || r.queue != 500 {
		t.Errorf("between two files: %+v", r)
	}
	add(frontend, line(latencySum+".Microseconds", 1000, model, ""))
	add(backend, line("PredictionTime.ms", .5, "ModelName:scale,Level:Model", ",requestID:a,b,c")+line("PredictionTime.ms", 2, "ModelName:scale,Level:Model", ",requestID:d"))
	if r := read(); r.latency != 3000 || r.handled != 4 || r.handler != 3.5 || r.sizes[3] != 1 || r.sizes[1] != 1 {
		t.Errorf("%+v", r)
	}
	for at, want := range map[string]string{"none": "no such file", frontend: "is no folder", t.TempDir(): "ts_metrics.log"} {
		if _, err := openLogs(at, scale); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", at, err, want)
		}
	}
}

// runOf returns a run of answers every millisecond that take 10 ms each.
func runOf(begin time.Time, n int) load.Result {
	r := load.Result{Start: begin, Sent: n}
	for i := range n {
		r.Samples = append(r.Samples, load.Sample{Planned: time.Duration(i) * time.Millisecond, Latency: 10 * time.Millisecond})
	}
	return r
}

// at returns a reading after n answers that have waited 3 ms and taken 8 ms each.
func at(when time.Time, n float64) reading {
	return reading{at: when, requests: n, latency: 8000 * n, queue: 3000 * n, handled: n, handler: 4 * n, sizes: map[int]int{2: int(n) / 2}}
}

// TestFigures: the figures are those between the first reading after the warm-up and the last one, and readings that do not fit the
// answers give none.
func TestFigures(t *testing.T) {
	begin := time.Unix(1000, 0)
	after := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	slow := at(after(400), 390) // the warm-up was slower
	slow.latency, slow.queue = 5e7, 4e7
	later := func(ms int, n float64) reading {
		r := at(after(ms), n)
		r.latency, r.queue = slow.latency+8000*(n-390), slow.queue+3000*(n-390)
		return r
	}
	out := trial.Result{WarmupSeconds: .3}
	w := &watcher{Readings: []reading{at(begin, 0), slow, later(1010, 1000)}}
	if err := figures(w, runOf(begin, 1000), &out); err != nil {
		t.Fatal(err)
	}
	b := out.Breakdown
	if q, _ := b.Queue.Get(); q < 2.99 || q > 3.01 {
		t.Errorf("queue %v ms, want 3", q)
	}
	if e, _ := b.Execution.Get(); e < 4.99 || e > 5.01 {
		t.Errorf("execution %v ms, want 5", e)
	}
	if b.Handler.Or(0) != 4 || out.Batches.Mean.Or(0) != 2 || out.Batches.Sizes[2] != 305 || b.Formation.OK() || b.Decode.OK() {
		t.Errorf("%+v, %+v", b, out.Batches)
	}

	restarted := at(after(1010), 1000)
	restarted.latency = 1
	for _, c := range []struct {
		name     string
		readings []reading
		want     string
	}{
		{"one reading", []reading{at(begin, 0)}, "too short"},
		{"others", []reading{at(begin, 0), at(after(400), 390), at(after(1010), 1100)}, "1100 requests were counted, but 1000 were sent: others"},
		{"one reading after the warm-up", []reading{at(begin, 0), at(after(200), 190), at(after(1010), 1000)}, "after its warm-up"},
		{"few answers", []reading{at(begin, 0), at(after(1000), 995), at(after(1010), 1000)}, "fewer than 20 answers"},
		{"restarted", []reading{at(begin, 0), at(after(400), 390), restarted}, "was started again"},
		{"no change", []reading{at(begin, 0), at(after(400), 390), func() reading { r := at(after(1010), 390); return r }()}, "have not changed"},
		{"other times", []reading{at(begin, 0), at(after(400), 390), func() reading { r := at(after(1010), 1000); r.latency *= 2; return r }()}, "do not fit the answers"},
	} {
		out := trial.Result{WarmupSeconds: .3}
		w := &watcher{Readings: c.readings}
		if err := figures(w, runOf(begin, 1000), &out); err == nil || !strings.Contains(err.Error(), c.want) || out.Breakdown.Queue.OK() {
			t.Errorf("%s: %v, want %q; %+v", c.name, err, c.want, out.Breakdown)
		}
	}
}

// TestOpenSources: without an address, and where nothing answers, metrics are missing with a reason; an address that was given is
// an error.
func TestOpenSources(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprint(w, exposition)
		}
	}))
	defer s.Close()
	c := Config{Management: []string{"http://127.0.0.1:1"}}
	if all, why, err := openSources(t.Context(), c, scale); all != nil || err != nil || !strings.Contains(why, "--metrics URL") {
		t.Errorf("no usual port: %v, %q, %v", all, why, err)
	}
	c.Metrics = []string{s.URL}
	all, why, err := openSources(t.Context(), c, scale)
	if err != nil || why != "" || !all.set().Breakdown || all.set().Batches {
		t.Fatalf("%v, %q, %v", all, why, err)
	}
	if r, err := all.read(t.Context()); err != nil || r.requests != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	all.close()
	c.Metrics = []string{s.URL + "/other"}
	if _, _, err := openSources(t.Context(), c, scale); err == nil || !strings.Contains(err.Error(), "--metrics FOLDER") {
		t.Errorf("no metrics: %v", err)
	}
}
