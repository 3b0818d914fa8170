package torchserve

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sweetspot/engine/archive"
	"sweetspot/engine/config"
	"sweetspot/engine/knob"
)

// TestLoadFailure: the exceptions of a worker are found in the logs that TorchServe 0.12 writes.
func TestLoadFailure(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const prefix = "2026-11-30T06:34:22,485 [INFO ] W-9000-scale_1.0-stdout MODEL_LOG - "
	write("model_log.log", prefix+"Listening on port: x", prefix+"Traceback (most recent call last):", prefix+"ModuleNotFoundError: No module named 'a'", prefix+"",
		prefix+"  File \"x\"", prefix+"ModuleNotFoundError: No module named 'ts.torch_handler.handler'", prefix+"ModuleNotFoundError: No module named 'a'")
	if got := loadFailure(dir); got != nil {
		t.Errorf("without a log of the server: %q", got)
	}
	write("ts_log.log", "State change null -> WORKER_STARTED")
	if got := loadFailure(dir); got != nil {
		t.Errorf("while it starts: %q", got)
	}
	write("ts_log.log", "2026-11-30T06:34:22,485 [INFO ] W-9000-scale_1.0-stdout MODEL_LOG - Backend worker process died.")
	want := []string{"ModuleNotFoundError: No module named 'a'", "ModuleNotFoundError: No module named 'ts.torch_handler.handler'"}
	if got := loadFailure(dir); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	write("model_log.log", prefix+"killed")
	if got := loadFailure(dir); !slices.Equal(got, []string{"killed"}) {
		t.Errorf("without an exception: %q", got)
	}
}

// TestProperties: the config.properties of a server that is started has the start settings, by the rules of TorchServe.
func TestProperties(t *testing.T) {
	l := localServer{Local: Local{Archive: "/store/m 1 ü.mar", Start: knob.Default(knob.TorchServe)}}
	l.manifest = archive.Manifest{Model: archive.Model{Name: "m", Version: "2.0"}}
	l.Start.Workers, l.Start.BatchSize, l.Start.QueueSize = 3, 8, 50
	addresses, text, err := l.properties()
	if err != nil {
		t.Fatal(err)
	}
	f, err := config.Parse("config.properties", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"inference_address": addresses[0], "management_address": addresses[1], "job_queue_size": "50", "number_of_gpu": "0",
		"models": `{"m":{"2.0":{"batchSize":8,"maxBatchDelay":100,"maxWorkers":3,"minWorkers":3}}}`, "load_models": "m=m 1 ü.mar",
	} {
		if got := strings.ReplaceAll(f.Get(key), ": ", ":"); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	l.Archive = "/store/m,n.mar"
	if _, _, err := l.properties(); err == nil || !strings.Contains(err.Error(), "rename it") {
		t.Errorf("a comma: %v", err)
	}
}
