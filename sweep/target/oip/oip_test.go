package oip_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/oip"
	"sweetspot/sweep/trial"
)

func mustOpen(t *testing.T, c oip.Config) *oip.Target {
	t.Helper()
	target, err := oip.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return target
}

// measure sends n requests of a closed load.
func measure(t *testing.T, target *oip.Target, n int, l load.Spec) trial.Result {
	t.Helper()
	r, err := target.Measure(t.Context(), sweep.Measurement{
		Load: l, Seed: 1, Max: n, SLA: trial.SLA{Percentile: 99, Limit: time.Second},
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func info(t *testing.T, target *oip.Target) sweep.Info {
	t.Helper()
	i, err := target.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestPlainHTTP: of a server without extensions nothing is claimed, and made requests are in JSON.
func TestPlainHTTP(t *testing.T) {
	s := newTriton(t)
	s.extensions = nil
	target := mustOpen(t, oip.Config{Address: "oip+" + s.URL, Header: [][2]string{{"X-Key", "word"}}})
	i := info(t, target)
	if len(i.Fixed) != 7 || len(i.Limits.Unreported) != 7 || i.Current != (knob.Settings{}) || i.Metrics != (trial.MetricSet{}) || i.Machine != "" {
		t.Errorf("info claims what the server does not report: %+v", i)
	}
	if i.Model.Name != "m" || i.Model.Version != "1" || !i.Model.BatchAxis || i.Runtime != "triton 2.50.0" || !strings.Contains(i.Model.Made, "x FP32 [3], one row each, sent as application/json") {
		t.Errorf("info %+v", i)
	}
	if r := measure(t, target, 400, load.Spec{Concurrency: 2}); r.Counts.OK == 0 || r.Counts.OK != r.Counts.Sent || r.Breakdown.Queue.OK() || r.Batches.Mean.OK() {
		t.Errorf("result %+v", r)
	}
	if got := s.lastHeader(); got.Get("Content-Type") != "application/json" || got.Get("X-Key") != "word" || got.Get("Inference-Header-Content-Length") != "" {
		t.Errorf("headers %v", got)
	}
	if len(s.unloads) > 0 || len(s.loads) > 0 {
		t.Errorf("model control was used without the extension")
	}
	if _, err := target.Apply(t.Context(), knob.Settings{Workers: 2, BatchDelay: knob.DelayUnreported}); err == nil {
		t.Error("a setting was applied")
	}
	if a, err := target.Apply(t.Context(), i.Current); err != nil || a.Settings != i.Current {
		t.Errorf("the settings in force: %+v, %v", a, err)
	}
}

// TestRPC: the same over gRPC; a refusal of the server is one, and a broken connection is none.
func TestRPC(t *testing.T) {
	s := &rpcServer{}
	at := serveRPC(t, s)
	if _, err := oip.Open(t.Context(), oip.Config{Address: at}); err == nil || !strings.Contains(err.Error(), "name one: sweetspot MODEL --target oip+grpc://") {
		t.Errorf("without a model: %v", err)
	}
	target := mustOpen(t, oip.Config{Address: at, Model: "m"})
	if i := info(t, target); len(i.Limits.Unreported) != 7 || !strings.Contains(i.Model.Made, "over gRPC") {
		t.Errorf("info %+v", i)
	}
	s.failWith(func(n int) error {
		switch n % 4 {
		case 0:
			return status.Error(codes.Unavailable, "full")
		case 1:
			return status.Error(codes.ResourceExhausted, "full")
		case 2:
			return status.Error(codes.Internal, "wrong")
		}
		return nil
	})
	for _, l := range []load.Spec{{Concurrency: 2}, {Mode: load.Open, Rate: 2000}} {
		r := measure(t, target, 2000, l)
		n := r.Status
		if c := r.Counts; c.OK == 0 || c.OK != n["200"] || c.Refused != n["429"]+n["503"] || c.Failed != n["500"] || n["429"] == 0 || n["503"] == 0 || n["500"] == 0 || len(n) != 4 {
			t.Errorf("%v: counts %+v, status %v", l, c, r.Status)
		}
	}
}

// TestRPCBroken: an Unavailable that the server did not send is a broken connection and not a refusal.
func TestRPCBroken(t *testing.T) {
	s := &rpcServer{}
	at, stop := startRPC(t, s)
	target := mustOpen(t, oip.Config{Address: at, Model: "m"})
	s.failWith(func(n int) error {
		if n == 5 { // the connections are broken before its answer
			stopped := make(chan struct{})
			go func() { defer close(stopped); stop() }()
			<-stopped
		}
		return nil
	})
	r := measure(t, target, 8, load.Spec{Concurrency: 1})
	if c := r.Counts; c.Refused != 0 || c.Failed == 0 || r.Status["none"] != c.Failed || r.Status["503"] != 0 {
		t.Errorf("counts %+v, status %v", c, r.Status)
	}
	if _, err := oip.Open(t.Context(), oip.Config{Address: "oip+grpc://127.0.0.1:1", Model: "m"}); err == nil || !strings.Contains(err.Error(), "is an Open Inference Protocol server running there?") {
		t.Errorf("nothing listens: %v", err)
	}
}

// TestTriton: its settings are read, changed with the whole configuration, and restored as they were found.
func TestTriton(t *testing.T) {
	s := newTriton(t)
	file := filepath.Join(t.TempDir(), "oip.json")
	target, err := oip.Open(t.Context(), oip.Config{Address: s.URL, RestoreFile: file})
	if err != nil {
		t.Fatal(err)
	}
	i := info(t, target)
	want := knob.Settings{Workers: 1, BatchSize: 4, BatchDelay: 500 * time.Microsecond, Device: "cpu", QueueSize: 100}
	if i.Current != want {
		t.Fatalf("settings %v, want %v", i.Current, want)
	}
	for _, n := range []knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay} {
		if why := i.Fixed[n]; why != "" {
			t.Errorf("%s is fixed: %s", n, why)
		}
	}
	if len(s.unloads) != 1 || len(s.loads) != 0 {
		t.Errorf("Open has unloaded %v and loaded %d", s.unloads, len(s.loads))
	}
	keys := len(s.keys())
	next := want
	next.Workers, next.BatchSize, next.BatchDelay = 2, 8, 2*time.Millisecond
	if a, err := target.Apply(t.Context(), next); err != nil || a.Settings != next || s.inForce() != "2 8 2000" {
		t.Fatalf("apply: %+v, %v, in force %s", a, err, s.inForce())
	}
	if len(s.keys()) != keys {
		t.Errorf("the override has the keys %v, want all of the configuration", s.keys())
	}
	if saved, err := oip.ReadSaved(file); err != nil || saved.Model != "m" || !strings.Contains(string(saved.Config), `"max_batch_size":4`) {
		t.Errorf("restore file: %+v, %v", saved, err)
	}
	s.refuse = "failed to load 'm', not enough memory"
	if _, err := target.Apply(t.Context(), want); err == nil || !strings.Contains(err.Error(), "not enough memory") || s.inForce() != "2 8 2000" {
		t.Errorf("a refused change: %v, in force %s", err, s.inForce())
	}
	s.refuse = ""
	other := next
	other.QueueSize = 7
	if _, err := target.Apply(t.Context(), other); err == nil || !strings.Contains(err.Error(), "queue_size: default_queue_policy") {
		t.Errorf("a fixed setting: %v", err)
	}
	if err := target.Close(t.Context()); err != nil || s.inForce() != "1 4 500" {
		t.Errorf("close: %v, in force %s", err, s.inForce())
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the restore file is still there: %v", err)
	}
}

// TestTritonNotExplicit: in the other modes of model control the settings are reported and fixed, with the reason.
func TestTritonNotExplicit(t *testing.T) {
	s := newTriton(t)
	s.explicit = false
	target := mustOpen(t, oip.Config{Address: s.URL})
	i := info(t, target)
	if why := i.Fixed[knob.BatchSize]; !strings.Contains(why, "start it with --model-control-mode=explicit (503 Service Unavailable explicit model load") || i.Current.BatchSize != 4 {
		t.Errorf("fixed %v, settings %v", i.Fixed, i.Current)
	}
	next := i.Current
	next.BatchSize = 8
	if _, err := target.Apply(t.Context(), next); err == nil || !strings.Contains(err.Error(), "explicit") || len(s.loads) != 0 {
		t.Errorf("apply: %v, %d loads", err, len(s.loads))
	}
}

// TestTritonStatistics: the breakdown and the batches are those of the statistics, and made requests are binary.
func TestTritonStatistics(t *testing.T) {
	s := newTriton(t)
	target := mustOpen(t, oip.Config{Address: s.URL})
	if m := info(t, target).Metrics; !m.Breakdown || !m.Batches || m.ModelLatency || m.Memory {
		t.Errorf("metrics %+v", m)
	}
	r := measure(t, target, 4000, load.Spec{Concurrency: 4})
	if q, e := r.Breakdown.Queue, r.Breakdown.Execution; !q.OK() || q.Or(0) != 2 || e.Or(0) != 6 || r.Breakdown.Formation.OK() || r.Breakdown.Decode.OK() {
		t.Errorf("breakdown %+v, warnings %v", r.Breakdown, r.Warnings)
	}
	if !r.Batches.Mean.OK() || r.Batches.Mean.Or(0) != 2 || len(r.Batches.Sizes) != 1 || r.Batches.Sizes[2] < 20 {
		t.Errorf("batches %+v", r.Batches)
	}
	if got := s.lastHeader(); got.Get("Content-Type") != "application/octet-stream" || got.Get("Inference-Header-Content-Length") == "" {
		t.Errorf("headers %v", got)
	}
}

// TestRestoreEarlier: what a killed sweep had changed is restored by the next one, and by Restore.
func TestRestoreEarlier(t *testing.T) {
	s := newTriton(t)
	file := filepath.Join(t.TempDir(), "oip.json")
	target, err := oip.Open(t.Context(), oip.Config{Address: s.URL, RestoreFile: file})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		next := info(t, target).Current
		next.BatchSize = 16
		if _, err := target.Apply(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if model, err := oip.Restore(t.Context(), oip.Config{}, "oip+"+s.URL, file); err != nil || model != "m" || s.inForce() != "1 4 500" {
			t.Fatalf("restore: %q, %v, in force %s", model, err, s.inForce())
		}
		if target, err = oip.Open(t.Context(), oip.Config{Address: s.URL, RestoreFile: file}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBodies: what can be wrong with requests.
func TestBodies(t *testing.T) {
	s := newTriton(t)
	given := func(text string) []load.Body { return []load.Body{{Data: []byte(text), Name: "a.json"}} }
	for _, c := range []struct {
		name   string
		config oip.Config
		want   string
	}{
		{"no request", oip.Config{Bodies: given("[1,2]")}, "input: a.json: "},
		{"another input", oip.Config{Bodies: given(`{"inputs":[{"name":"z","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}`)}, "the server does not answer a request: 400"},
		{"another type", oip.Config{ContentType: "image/png"}, `content type "image/png": want application/json`},
		{"another model", oip.Config{Model: "n"}, `model "n": 404`},
		{"a wrong shape", oip.Config{Shapes: map[string]string{"x": "a"}}, "shape of x"},
	} {
		c.config.Address = s.URL
		if _, err := oip.Open(t.Context(), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	target := mustOpen(t, oip.Config{Address: s.URL, Bodies: given(`{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}`)})
	if r := measure(t, target, 200, load.Spec{Concurrency: 1}); r.Counts.OK == 0 || r.Counts.OK != r.Counts.Sent || info(t, target).Model.Made != "" {
		t.Errorf("counts %+v", r.Counts)
	}
	if !slices.Contains(s.unloads, "sweetspot-asks-whether-models-can-be-loaded") {
		t.Errorf("unloads %v", s.unloads)
	}
}
