package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/config"
)

// TestWithSnapshot checks that a written snapshot reads back, beside the other keys.
func TestWithSnapshot(t *testing.T) {
	f, err := config.Parse("config.properties", []byte("# mine\nload_models=a.mar\njob_queue_size=5\njob_queue_size=7\nmodel_snapshot={\"modelCount\": 0, \"models\": {}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	version := func(version, mar string, isDefault bool) config.Snapshot {
		return config.Snapshot{Default: isDefault, Model: config.Model{
			Name: "m", Version: version, MarName: mar, MinWorkers: 1, MaxWorkers: 2, BatchSize: 3, MaxBatchDelay: 4, ResponseTimeout: 5, StartupTimeout: 6,
		}}
	}
	want := []config.Snapshot{version("1.0", "a.mar", false), version("2.0", `"b" \ü.mar`, true)}
	written, err := f.WithSnapshot("s.cfg", time.UnixMilli(1234), want)
	if err != nil {
		t.Fatal(err)
	}
	read, err := config.Parse("s.cfg", written.Encode())
	if err != nil {
		t.Fatal(err)
	}
	got, err := read.Snapshot()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(config.Model{}, "Line")); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if text := read.Get("model_snapshot"); !strings.Contains(text, `"modelCount": 2,`) || strings.Count(text, `"runtimeType": "python"`) != 2 {
		t.Errorf("it is not as TorchServe writes it: %s", text)
	}
	if read.Get("job_queue_size") != "7" || read.Get("load_models") != "a.mar" {
		t.Errorf("the other keys:\n%s", written.Encode())
	}
	_, findings := read.Check(nil)
	for _, f := range findings {
		if f.Severity == config.Refuses {
			t.Errorf("TorchServe would refuse it: %s", f)
		}
	}
}
