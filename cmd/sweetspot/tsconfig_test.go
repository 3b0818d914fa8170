//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/config"
	"sweetspot/engine/knob"
	"sweetspot/engine/torchservetest"
)

// writeFiles writes files into a new folder.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func scaleFile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../testdata/bodies/scale.onnx")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// versionsOf returns what the management API says of all versions of a model.
func versionsOf(t *testing.T, management, model string) map[string]map[string]any {
	t.Helper()
	status, answer := send(t, http.MethodGet, management+"/models/"+model+"/all", "", nil)
	var list []map[string]any
	if err := json.Unmarshal([]byte(answer), &list); err != nil || status != http.StatusOK {
		t.Fatalf("describe %s: %d %s", model, status, answer)
	}
	out := map[string]map[string]any{}
	for _, v := range list {
		out[fmt.Sprint(v["modelVersion"])] = v
	}
	return out
}

func expect(t *testing.T, what string, got map[string]any, want map[string]any) {
	t.Helper()
	for key, value := range want {
		if fmt.Sprint(got[key]) != fmt.Sprint(value) {
			t.Errorf("%s: %s = %v, want %v", what, key, got[key], value)
		}
	}
}

// TestServeTSConfig serves the models of a config.properties: the settings of an archive have
// priority over those of the block, flags over both, and keys without an effect are named.
func TestServeTSConfig(t *testing.T) {
	scale := scaleFile(t)
	dir := writeFiles(t, map[string]string{
		"store/net.onnx":                   scale,
		"store/arch/model.onnx":            scale,
		"store/arch/model-config.yaml":     "batchSize: 4\nmaxBatchDelay: 20\nresponseTimeout: 30\n",
		"store/arch/MAR-INF/MANIFEST.json": `{"model": {"modelName": "arch", "modelVersion": "2.0", "configFile": "model-config.yaml"}}`,
		"config.properties": `model_store=store
load_models=net=net.onnx,arch
metrics_address=http://127.0.0.1:0
default_workers_per_model=2
job_queue_size=50
default_response_timeout=60
disable_token_authorization=true
cors_allowed_origin=https://page.test
max_request_size=100
ipex_enable=true
models={"net": {"1.0": {"batchSize": 8, "maxBatchDelay": 30, "minWorkers": 1, "maxWorkers": 1}}, "arch": {"2.0": {"batchSize": 16}}}
metrics_config=metrics.yaml
`,
		"metrics.yaml": "ts_metrics:\n  counter:\n  - {name: TokensOut, unit: Count}\n",
	})
	inference, management, log := startServerIn(t, dir, "--ts-config", "config.properties", "--queue-size", "40")
	printed := strings.Join(log, "\n")
	for _, want := range []string{
		"config.properties:10: ipex_enable is ignored: models run in ONNX Runtime",
		"metrics.yaml:3: TokensOut is measured only if a handler in Python does so",
		"config.properties:11: models.arch.2.0: batchSize 16 without maxBatchDelay",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("the log has no %q:\n%s", want, printed)
		}
	}
	expect(t, "net", versionsOf(t, management, "net")["1.0"], map[string]any{"minWorkers": 1, "batchSize": 8, "maxBatchDelay": 30, "responseTimeout": 60})
	expect(t, "arch", versionsOf(t, management, "arch")["2.0"], map[string]any{"minWorkers": 2, "batchSize": 4, "maxBatchDelay": 20, "responseTimeout": 30})
	if queue, _ := versionsOf(t, management, "net")["1.0"]["jobQueueStatus"].(map[string]any); fmt.Sprint(queue["remainingCapacity"]) != "40" {
		t.Errorf("queue of net: %v, want 40: the flag has priority", queue)
	}
	if status, answer := send(t, http.MethodPost, inference+"/predictions/arch", "application/json", []byte("[1, 2, 3, 4]")); status != http.StatusOK || strings.TrimSpace(answer) != "[2,4,6,8]" {
		t.Errorf("prediction: %d %s", status, answer)
	}
	if status, _ := send(t, http.MethodPost, inference+"/predictions/arch", "application/json", make([]byte, 101)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body above max_request_size: %d, want 413", status)
	}
	if status, _ := send(t, http.MethodGet, inference+"/ping", "", nil, "Origin", "https://page.test"); status != http.StatusOK {
		t.Errorf("a page of cors_allowed_origin: %d", status)
	}
	if status, _ := send(t, http.MethodGet, inference+"/ping", "", nil, "Origin", "https://other.test"); status != http.StatusForbidden {
		t.Errorf("another page: %d, want 403", status)
	}
}

// TestLauncher checks that cpu_launcher_enable pins the workers of each model to an equal share of
// the cores, or to as many as cpu_launcher_args says, and that a number of threads on the command
// line has priority.
func TestLauncher(t *testing.T) {
	m := &engine.Model{Name: "m", Version: "1.0"}
	e := config.Effect{Values: []config.Value{{Name: "minWorkers", Value: "2"}}}
	s := modelSettings{base: knob.Config{Settings: knob.Default(knob.Eager)}, cores: 9, file: &config.File{}}
	for _, tc := range []struct {
		launcher bool
		args     int
		given    []knob.Name
		want     int
	}{{true, 0, nil, 4}, {true, 3, nil, 3}, {false, 0, nil, 1}, {true, 3, []knob.Name{knob.Threads}, 1}} {
		s.t.CPULauncher, s.t.LauncherCores, s.given = tc.launcher, tc.args, tc.given
		s.base.Workers = 2
		if got := s.config(m, e, nil).Threads; got != tc.want {
			t.Errorf("%+v: %d threads", tc, got)
		}
	}
}

// TestServeSnapshot restores two versions of a model from a snapshot: with its settings, which
// have priority over those of the archive, and its default version.
func TestServeSnapshot(t *testing.T) {
	scale := scaleFile(t)
	manifest := func(version string) string {
		return `{"model": {"modelName": "m", "modelVersion": "` + version + `", "configFile": "c.yaml"}}`
	}
	dir := writeFiles(t, map[string]string{
		"store/one/model.onnx": scale, "store/one/MAR-INF/MANIFEST.json": manifest("1.0"), "store/one/c.yaml": "batchSize: 2\n",
		"store/two/model.onnx": scale, "store/two/MAR-INF/MANIFEST.json": manifest("2.0"), "store/two/c.yaml": "batchSize: 2\n",
		"snapshot.cfg": `model_store=store
load_models=all
metrics_address=http://127.0.0.1:0
disable_token_authorization=true
model_snapshot={"name": "s", "modelCount": 2, "models": {"m": {\
  "1.0": {"defaultVersion": false, "marName": "one", "minWorkers": 1, "maxWorkers": 1, "batchSize": 3, "maxBatchDelay": 7, "responseTimeout": 11},\
  "2.0": {"defaultVersion": true, "marName": "two", "minWorkers": 2, "maxWorkers": 2, "batchSize": 5, "maxBatchDelay": 9, "responseTimeout": 12}}}}
`,
	})
	_, management, _ := startServerIn(t, dir, "--ts-config", "snapshot.cfg")
	all := versionsOf(t, management, "m")
	expect(t, "1.0", all["1.0"], map[string]any{"minWorkers": 1, "batchSize": 3, "maxBatchDelay": 7, "responseTimeout": 11})
	expect(t, "2.0", all["2.0"], map[string]any{"minWorkers": 2, "batchSize": 5, "maxBatchDelay": 9, "responseTimeout": 12})
	status, answer := send(t, http.MethodGet, management+"/models/m", "", nil)
	if status != http.StatusOK || !strings.Contains(answer, `"2.0"`) {
		t.Errorf("the default version: %d %s, want 2.0", status, answer)
	}
}

// newestSnapshot returns the newest snapshot of a kind, once there is one that matches.
func newestSnapshot(t *testing.T, dir, kind, pattern string) string {
	t.Helper()
	for range 300 { // a guard: it is written soon after the change
		files, err := filepath.Glob(filepath.Join(dir, "logs", "config", "*-"+kind+".cfg"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			newest := files[len(files)-1] // their names begin with the time
			if data, err := os.ReadFile(newest); err == nil && regexp.MustCompile(pattern).Match(data) {
				return newest
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("no %s with %q", kind, pattern)
	return ""
}

// TestServeWritesSnapshots checks that a snapshot is written at the start and after changes, and
// that another server restores it.
func TestServeWritesSnapshots(t *testing.T) {
	scale := scaleFile(t)
	manifest := func(version string) string {
		return `{"model": {"modelName": "m", "modelVersion": "` + version + `"}}`
	}
	dir := writeFiles(t, map[string]string{
		"store/one/model.onnx": scale, "store/one/MAR-INF/MANIFEST.json": manifest("1.0"),
		"store/two/model.onnx": scale, "store/two/MAR-INF/MANIFEST.json": manifest("2.0"),
		"config.properties": "model_store=store\nload_models=one,two\ndisable_token_authorization=true\njob_queue_size=33\n",
	})
	t.Setenv("LOG_LOCATION", filepath.Join(dir, "logs"))
	_, management, _ := startServerIn(t, dir, "--ts-config", "config.properties", "--workers", "1")
	newestSnapshot(t, dir, "startup", `"marName": "two"`)
	for _, change := range []string{"/models/m/2.0?min_worker=2&max_worker=3&batch_size=4&max_batch_delay=6&synchronous=true", "/models/m/2.0/set-default"} {
		if status, answer := send(t, http.MethodPut, management+change, "", nil); status != http.StatusOK {
			t.Fatalf("%s: %d %s", change, status, answer)
		}
	}
	newest := newestSnapshot(t, dir, "snapshot", `(?s)"2\.0": \{\\\s*"defaultVersion": true.*"minWorkers": 2.*"batchSize": 4`)
	_, management, _ = startServerIn(t, dir, "--ts-config", newest)
	all := versionsOf(t, management, "m")
	expect(t, "1.0", all["1.0"], map[string]any{"minWorkers": 1, "maxWorkers": 1, "batchSize": 1})
	expect(t, "2.0", all["2.0"], map[string]any{"minWorkers": 2, "maxWorkers": 3, "batchSize": 4, "maxBatchDelay": 6})
	if status, answer := send(t, http.MethodGet, management+"/models/m", "", nil); status != http.StatusOK || !strings.Contains(answer, `"2.0"`) {
		t.Errorf("the default version: %d %s, want 2.0", status, answer)
	}
}

// TestServeRegisterArchive registers an archive and an ONNX file with a request: with the
// settings of the archive and of the block, which count where the request says nothing.
func TestServeRegisterArchive(t *testing.T) {
	scale := scaleFile(t)
	dir := writeFiles(t, map[string]string{
		"store/net.onnx":                   scale,
		"store/arch/model.onnx":            scale,
		"store/arch/model-config.yaml":     "minWorkers: 2\nmaxWorkers: 2\nbatchSize: 4\nmaxBatchDelay: 20\nresponseTimeout: 30\n",
		"store/arch/MAR-INF/MANIFEST.json": `{"model": {"modelName": "arch", "modelVersion": "2.0", "configFile": "model-config.yaml"}}`,
		"config.properties": `model_store=store
enable_model_api=true
disable_token_authorization=true
models={"net": {"1.0": {"batchSize": 8, "maxBatchDelay": 30, "responseTimeout": 40}}}
`,
	})
	_, management, _ := startServerIn(t, dir, "--ts-config", "config.properties")
	for _, query := range []string{"url=arch&initial_workers=1&response_timeout=99", "url=net.onnx&initial_workers=1&batch_size=3"} {
		if status, answer := send(t, http.MethodPost, management+"/models?synchronous=true&"+query, "", nil); status != http.StatusOK {
			t.Fatalf("register %s: %d %s", query, status, answer)
		}
	}
	expect(t, "arch", versionsOf(t, management, "arch")["2.0"], map[string]any{"minWorkers": 2, "batchSize": 4, "maxBatchDelay": 20, "responseTimeout": 30})
	expect(t, "net", versionsOf(t, management, "net")["1.0"], map[string]any{"minWorkers": 1, "batchSize": 3, "maxBatchDelay": 30, "responseTimeout": 40})
	status, answer := send(t, http.MethodPost, management+"/models?url=..%2Foutside.mar", "", nil)
	if status != http.StatusNotFound {
		t.Errorf("a file outside the store: %d %s", status, answer)
	}
}

// TestRealTorchServeSameConfig serves archives with one config.properties in a real TorchServe
// and in ours and compares what both describe.
func TestRealTorchServeSameConfig(t *testing.T) {
	torchservetest.Find(t)
	store := t.TempDir()
	for _, name := range []string{"one", "two"} {
		packed(t, store, "../../testdata/bodies/scale.onnx", name)
	}
	bare := filepath.Join(t.TempDir(), "bare.onnx")
	if err := os.WriteFile(bare, []byte(scaleFile(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := exec.LookPath("sweetspot")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "archive", "three="+bare, "--version", "3.1", "--to", filepath.Join(store, "three.mar"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("archive: %v: %s", err, out)
	}
	text := `load_models=one=one.mar,two.mar,three=three.mar
default_workers_per_model=1
default_response_timeout=77
default_startup_timeout=66
job_queue_size=44
disable_token_authorization=true
models={"one": {"1.0": {"batchSize": 16, "maxBatchDelay": 9, "minWorkers": 2, "maxWorkers": 2}},\
  "three": {"3.1": {"batchSize": 6, "maxBatchDelay": 11, "minWorkers": 1, "maxWorkers": 1, "responseTimeout": 55}}}
`
	s, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: text})
	if err != nil {
		t.Fatal(err)
	}
	dir := writeFiles(t, map[string]string{"config.properties": text})
	_, management, _ := startServerIn(t, dir, "--ts-config", "config.properties", "--model-store", store)
	for _, name := range []string{"one", "two", "three"} {
		theirs, err := s.Describe(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range theirs {
			want := map[string]any{}
			for _, key := range []string{"minWorkers", "maxWorkers", "batchSize", "maxBatchDelay", "responseTimeout"} {
				want[key] = v[key]
			}
			ours := versionsOf(t, management, name)[fmt.Sprint(v["modelVersion"])]
			expect(t, name, ours, want)
			a, _ := v["jobQueueStatus"].(map[string]any)
			b, _ := ours["jobQueueStatus"].(map[string]any)
			expect(t, name+" queue", b, map[string]any{"remainingCapacity": a["remainingCapacity"]})
		}
	}
}
