//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sweetspot/engine/torchservetest"
)

// TestRealTorchServePythonChanges changes workers, batch size and delay under load: no request is lost,
// refused or wrong.
func TestRealTorchServePythonChanges(t *testing.T) {
	store := pythonStore(t)
	url, management := startServer(t, filepath.Join(store, "status"), "--disable-token-auth", "--workers", "1", "--batch-size", "2")
	stop := pythonLoad(t, url+"/predictions/status", 6, func(pythonAnswer) bool { return false })
	for _, query := range []string{
		"min_worker=3&max_worker=3", "batch_size=8&max_batch_delay=5", "min_worker=1&max_worker=1", "batch_size=1&max_batch_delay=0", "min_worker=2&max_worker=2",
		"batch_size=4&max_batch_delay=20", "min_worker=1&max_worker=1",
	} {
		if status, answer := send(t, http.MethodPut, management+"/models/status?synchronous=true&"+query, "", nil); status != http.StatusOK {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
	answered, failed := stop()
	t.Logf("%d requests answered", answered)
	if answered == 0 || failed != 0 {
		t.Errorf("%d requests answered, %d failed", answered, failed)
	}
}

// precisionAnswer is an answer of the handler that honours precision and threads.
type precisionAnswer struct {
	Y       [4]float64 `json:"y"`
	DType   string     `json:"dtype"`
	Threads int        `json:"threads"`
}

// TestRealTorchServePythonPrecisionChanges changes precision and threads, together with workers and batch size, under load: every
// request gets the answer of one of the precisions, and after each change that of the new one.
func TestRealTorchServePythonPrecisionChanges(t *testing.T) {
	store := pythonStore(t)
	url, management := startServer(t, filepath.Join(store, "precision"), "--disable-token-auth")
	ask := func() precisionAnswer {
		got := predictOnce(t, url+"/predictions/precision", "application/json", []byte("[1, 2, 3, 4]"))
		var v precisionAnswer
		err := json.Unmarshal([]byte(got.body), &v)
		want := [4]float64{.1, .4, 3, 12} // the weights are .1, .2, 1 and 3
		for i, y := range v.Y {
			if y < want[i]*.999 || y > want[i]*1.001 {
				t.Errorf("the answer %v, want %v", v.Y, want)
			}
		}
		exact := v.Y[0] == 0.0999755859375 // .1 in FP16
		if err != nil || got.status != http.StatusOK || exact != (v.DType == "torch.float16") {
			t.Errorf("%+v, %v", got, err)
		}
		return v
	}
	var ended atomic.Bool
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !ended.Load() {
				ask()
				answered.Add(1)
			}
		})
	}
	for _, tt := range []struct {
		change  string
		dtype   string
		threads int
	}{
		{`{"precision": "fp16"}`, "torch.float16", 1},
		{`{"workers": 2, "batch_size": 8, "batch_delay_ms": 5}`, "torch.float16", 1},
		{`{"precision": "fp32", "threads": 2, "workers": 1}`, "torch.float32", 2},
		{`{"precision": "fp16", "threads": 1, "batch_size": 1}`, "torch.float16", 1},
	} {
		status, lines := send(t, http.MethodPut, management+"/engine/v1/models/precision/settings", "application/json", []byte(tt.change))
		if status != http.StatusOK || strings.Contains(lines, `"error"`) {
			t.Errorf("%s: %d %s", tt.change, status, lines)
		}
		if got := ask(); got.DType != tt.dtype || got.Threads != tt.threads {
			t.Errorf("after %s: %+v", tt.change, got)
		}
	}
	ended.Store(true)
	clients.Wait()
	t.Logf("%d requests answered", answered.Load())
	if answered.Load() == 0 {
		t.Error("no request was answered during the changes")
	}
}

// TestRealTorchServePythonDoctor runs doctor, which runs a handler in the worker.
func TestRealTorchServePythonDoctor(t *testing.T) {
	torchservetest.Find(t)
	var out bytes.Buffer
	run([]string{"sweetspot", "doctor", "--json"}, os.Environ(), strings.NewReader(""), &out, t.Output()) // other checks may fail
	var all []finding
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	i := slices.IndexFunc(all, func(f finding) bool { return f.Check == "python" })
	if i < 0 {
		t.Fatalf("no check of Python in %s", &out)
	}
	if f := all[i]; f.Result != checkOK || !strings.Contains(f.Text, "TorchServe 0.12.0") || !strings.HasSuffix(f.Text, "; runs a handler") || f.Fix != "" {
		t.Errorf("%+v", f)
	}
}
