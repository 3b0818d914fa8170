//go:build unix

package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
	"sweetspot/engine/torchservetest"
)

// logConfig is the configuration of both servers, without addresses.
const logConfig = `load_models=scale.mar
default_workers_per_model=1
job_queue_size=44
metric_time_interval=1
metrics_mode=log
enable_model_api=true
disable_token_authorization=true
models={"scale": {"1.0": {"batchSize": 4, "maxBatchDelay": 9, "minWorkers": 1, "maxWorkers": 1}}}
`

// TestRealTorchServeLogs runs a real TorchServe and ours with one configuration and sends both the
// same requests. The snapshots have the same keys and values, each of the two restores that of the
// other, and the lines of the log files have the same formats.
func TestRealTorchServeLogs(t *testing.T) {
	torchservetest.Find(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a guard
	defer cancel()
	store := t.TempDir()
	scale, err := filepath.Abs("../../testdata/bodies/scale.onnx")
	if err != nil {
		t.Fatal(err)
	}
	packed(t, store, scale, "scale")
	theirLogs, ourLogs := filepath.Join(t.TempDir(), "logs"), filepath.Join(t.TempDir(), "logs")
	s, err := torchservetest.Start(t, torchservetest.Options{
		Store: store, Config: logConfig, Snapshots: true, Env: []string{"LOG_LOCATION=" + theirLogs, "METRICS_LOCATION=" + theirLogs},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(ctx, "scale"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOG_LOCATION", ourLogs)
	t.Setenv("METRICS_LOCATION", ourLogs)
	dir := writeFiles(t, map[string]string{"config.properties": logConfig})
	inference, management, _ := startServerIn(t, dir, "--ts-config", "config.properties", "--model-store", store)
	for _, at := range [][2]string{{s.Inference, s.Management}, {inference, management}} {
		for _, r := range []struct {
			method, url string
			status      int
		}{
			{http.MethodPost, at[0] + "/predictions/scale", 200},
			{http.MethodGet, at[0] + "/ping?x=%22", 200},
			{http.MethodGet, at[0] + "/predictions/none", 404},
			{http.MethodPut, at[1] + "/models/scale?min_worker=2&max_worker=3&synchronous=true", 200},
		} {
			if status, answer := send(t, r.method, r.url, "application/json", []byte("[1, 2, 3, 4]")); status != r.status {
				t.Fatalf("%s %s: %d %s", r.method, r.url, status, answer)
			}
		}
	}
	theirs, ours := snapshotAfter(ctx, t, theirLogs), snapshotAfter(ctx, t, ourLogs)
	compareSnapshots(t, theirs, ours)
	compareLogs(ctx, t, theirLogs, ourLogs)

	// Each starts with the snapshot of the other, at other addresses.
	_, management, _ = startServerIn(t, writeFiles(t, map[string]string{"s.cfg": string(withoutAddresses(theirs).Encode())}), "--ts-config", "s.cfg", "--model-store", store)
	want := map[string]any{"minWorkers": 2.0, "maxWorkers": 3.0, "batchSize": 4.0, "maxBatchDelay": 200.0, "responseTimeout": 120.0} // the archive has priority over the block
	got := versionsOf(t, management, "scale")["1.0"]
	again, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: string(withoutAddresses(ours).Encode())})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.WaitReady(ctx, "scale"); err != nil {
		t.Fatal(err)
	}
	described, err := again.Describe(ctx, "scale")
	if err != nil || len(described) != 1 {
		t.Fatalf("%v, %v", described, err)
	}
	for key, v := range want {
		if got[key] != v || described[0][key] != v {
			t.Errorf("%s: ours restores %v, TorchServe %v, want %v", key, got[key], described[0][key], v)
		}
	}
}

// snapshotAfter waits for a snapshot with the workers that were scaled.
func snapshotAfter(ctx context.Context, t *testing.T, logs string) *config.File {
	t.Helper()
	for {
		found, _ := filepath.Glob(filepath.Join(logs, "config", "*-snapshot.cfg"))
		slices.Sort(found)
		if len(found) > 0 {
			name := found[len(found)-1]
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := config.Parse(filepath.Base(name), data)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := f.Snapshot(); err == nil && len(v) == 1 && v[0].MinWorkers == 2 {
				return f
			}
		}
		waitShortly(ctx, t, "there is no snapshot of the scaled model in "+logs)
	}
}

// waitShortly waits before the next look, or fails the test when ctx has ended.
func waitShortly(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	select {
	case <-ctx.Done():
		t.Fatal(what)
	case <-time.After(100 * time.Millisecond):
	}
}

// withoutAddresses returns the pairs that do not name an address or a port.
func withoutAddresses(f *config.File) *config.File {
	out := &config.File{Name: f.Name}
	for key, value := range pairs(f) {
		if !strings.HasSuffix(key, "_address") && !strings.HasSuffix(key, "_port") {
			out.Set(key, value)
		}
	}
	return out
}

func pairs(f *config.File) map[string]string {
	out := map[string]string{}
	for _, l := range f.Lines {
		if l.Kind == config.Pair {
			out[l.Key] = l.Value
		}
	}
	return out
}

// compareSnapshots compares key by key. TorchServe also writes what it has found out itself.
func compareSnapshots(t *testing.T, theirs, ours *config.File) {
	t.Helper()
	a, b := pairs(theirs), pairs(ours)
	for _, key := range []string{"number_of_gpu", "python", "tsConfigFile", "version", "workflow_store", "grpc_inference_port", "grpc_management_port"} {
		if _, ok := a[key]; !ok {
			t.Errorf("TorchServe's snapshot has no %s; the page says that it has", key)
		}
		delete(a, key)
	}
	for key := range maps.Clone(a) {
		if strings.HasSuffix(key, "_address") && b[key] != "" {
			a[key], b[key] = "an address", "an address"
		}
	}
	for _, p := range []map[string]string{a, b} {
		p["models"] = strings.ReplaceAll(p["models"], " ", "")
	}
	inA, inB := readSnapshot(t, a["model_snapshot"]), readSnapshot(t, b["model_snapshot"])
	for _, s := range []map[string]any{inA, inB} {
		if name, _ := s["name"].(string); !regexp.MustCompile(`^\d{17}-snapshot\.cfg$`).MatchString(name) {
			t.Errorf("the name of the snapshot is %q", name)
		}
		if created, _ := s["created"].(float64); time.Since(time.UnixMilli(int64(created))).Abs() > time.Hour {
			t.Errorf("created: %v", s["created"])
		}
		delete(s, "name")
		delete(s, "created")
	}
	delete(a, "model_snapshot")
	delete(b, "model_snapshot")
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("the snapshots (-TorchServe +ours):\n%s", diff)
	}
	if diff := cmp.Diff(inA, inB); diff != "" {
		t.Errorf("model_snapshot (-TorchServe +ours):\n%s", diff)
	}
}

func readSnapshot(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("model_snapshot: %v: %s", err, text)
	}
	return out
}

// logFormats are the formats of TorchServe's lines, by file.
var logFormats = map[string]string{
	"access_log.log":    `^TIME - /127\.0\.0\.1:\d+ "[A-Z]+ \S+ HTTP/1\.1" \d{3} \d+$`,
	"ts_log.log":        `^TIME \[(DEBUG|INFO |WARN |ERROR)\] \S+ \S+ - `,
	"model_log.log":     `^TIME \[(DEBUG|INFO |WARN |ERROR)\] \S+ MODEL_LOG - `,
	"ts_metrics.log":    `^TIME - \w+\.\w+:\d+\.\d+(E-?\d+)?\|#[\w:.,-]+\|#hostname:\S+,timestamp:\d{10}$`,
	"model_metrics.log": `^TIME - \w+\.\w+:\d+\.\d+(E-?\d+)?\|#[\w:.,-]+\|#hostname:[^\s,]+,(requestID:[\w,-]+,)?timestamp:\d{10}$`,
}

// compareLogs waits until our files have the metrics of TorchServe's, and compares the formats of
// all lines, and of metrics the names, units and dimensions.
func compareLogs(ctx context.Context, t *testing.T, theirs, ours string) {
	t.Helper()
	missing := func() []string {
		b := metricShapes(ours)
		var out []string
		for shape := range metricShapes(theirs) {
			if !b[shape] && !strings.Contains(shape, " WorkerThreadTime.") {
				out = append(out, shape)
			}
		}
		return out
	}
	for len(metricShapes(theirs)) < 12 || len(missing()) > 0 {
		waitShortly(ctx, t, "our log files have no lines as these: "+strings.Join(missing(), " "))
	}
	for file, format := range logFormats {
		line := regexp.MustCompile(strings.Replace(format, "TIME", `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3}`, 1))
		for _, dir := range []string{theirs, ours} {
			data, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || len(data) == 0 {
				t.Errorf("%s: %d bytes, %v", filepath.Join(dir, file), len(data), err)
			}
			whole := data[:strings.LastIndexByte(string(data), '\n')+1] // a line may be being written
			for text := range strings.Lines(string(whole)) {
				if text = strings.TrimSuffix(text, "\n"); !line.MatchString(text) && begins.MatchString(text) {
					t.Errorf("%s: %q does not match %s", filepath.Join(dir, file), text, line)
				}
			}
		}
	}
	for shape := range metricShapes(ours) {
		if !metricShapes(theirs)[shape] && !strings.Contains(shape, " HandlerTime.") { // TorchServe's base class has it, and the handler of the archive does not
			t.Errorf("TorchServe has no line as %s", shape)
		}
	}
}

// begins matches the first line of a record; TorchServe's may have several, such as its
// configuration at the start.
var begins = regexp.MustCompile(`^\d{4}-\d\d-`)

// metricShapes returns the metrics of a folder's log files without their values:
// NAME.UNIT|#DIMENSION,...
func metricShapes(dir string) map[string]bool {
	out := map[string]bool{}
	parts := regexp.MustCompile(`^\S+ - (\w+\.\w+):[^|]*\|#([^|]*)\|#`)
	for _, file := range []string{"ts_metrics.log", "model_metrics.log"} {
		data, _ := os.ReadFile(filepath.Join(dir, file))
		for text := range strings.Lines(string(data)) {
			if m := parts.FindStringSubmatch(text); m != nil {
				var names []string
				for d := range strings.SplitSeq(m[2], ",") {
					name, _, _ := strings.Cut(d, ":")
					names = append(names, name)
				}
				out[file+" "+m[1]+"|#"+strings.Join(names, ",")] = true
			}
		}
	}
	return out
}
