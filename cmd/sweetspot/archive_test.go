//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/torchservetest"
)

// packed packs a model into the store as NAME.mar, with batches of up to 4.
func packed(t *testing.T, store, arg, name string) {
	t.Helper()
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	yaml := filepath.Join(t.TempDir(), "model-config.yaml")
	text := "minWorkers: 1\nmaxWorkers: 1\nbatchSize: 4\nmaxBatchDelay: 200\nresponseTimeout: 120\nstartupTimeout: 120\n"
	if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "archive", name+"="+arg, "--config-file", yaml, "--to", filepath.Join(store, name+".mar"))
	cmd.Env = append(os.Environ(), ortlib.EnvVar+"="+lib.Path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("archive: %v: %s", err, out)
	}
}

// TestRealTorchServeArchive packs models, serves the archives in a real TorchServe and in ours,
// and compares the answers to the same bodies: alone, in batches, and those of bad bodies.
func TestRealTorchServeArchive(t *testing.T) {
	torchservetest.Find(t)
	bodies := "../../testdata/bodies"
	models := map[string]string{
		"scale": filepath.Join(bodies, "scale.onnx"), "pair": filepath.Join(bodies, "pair.onnx"), "words": filepath.Join(bodies, "words.onnx"),
		"mlp": "builtin:mlp", "encoder": "builtin:encoder",
	}
	store := t.TempDir()
	var names, args []string
	for name, arg := range models {
		packed(t, store, arg, name)
		names, args = append(names, name+".mar"), append(args, filepath.Join(store, name+".mar"))
	}
	s, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: "load_models=" + strings.Join(names, ",")})
	if err != nil {
		t.Fatal(err)
	}
	for name := range models {
		if err := s.WaitReady(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	ours, _ := startServer(t, append(args, "--disable-token-auth")...)

	raw, err := os.ReadFile(filepath.Join(bodies, "four.raw"))
	if err != nil {
		t.Fatal(err)
	}
	vector := make([]float32, 64)
	for i := range vector {
		vector[i] = float32(math.Sin(float64(i)))
	}
	numbers, _ := json.Marshal(vector)
	tests := []struct {
		name, model, kind string
		body              string
	}{
		{"array", "scale", "application/json", "[1, 2, 3, 4]"},
		{"batch of one", "scale", "application/json", "[[1, 2, 3, 4]]"},
		{"by name", "scale", "application/json", `{"x": [1.1, 0.1, 1e-7, 3e30]}`},
		{"data", "scale", "application/json", `{"data": [1, 2, 3, 4]}`},
		{"raw", "scale", "application/octet-stream", string(raw)},
		{"not a number", "scale", "application/json", `["NaN", "-Infinity", "Infinity", 1e-3]`},
		{"two inputs", "pair", "application/json", `{"a": [1.5, 2.5], "n": [3]}`},
		{"protocol", "pair", "application/json", `{"inputs": [{"name": "n", "datatype": "INT64", "shape": [1, 1], "data": [3]}, {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2.5]}]}`},
		{"texts", "words", "application/json", `["cat", "größe"]`},
		{"network", "mlp", "application/json", string(numbers)},
		{"open dimensions", "encoder", "application/json", `{"input_ids": [101, 7, 8, 102], "attention_mask": [1, 1, 1, 1]}`},
		{"too short", "scale", "application/json", "[1, 2]"},
		{"a word", "scale", "application/json", `["a", 1, 2, 3]`},
		{"a fraction", "pair", "application/json", `{"a": [1.5, 2.5], "n": [1.5]}`},
		{"missing input", "pair", "application/json", `{"a": [1.5, 2.5]}`},
		{"no JSON", "scale", "application/json", `[1, 2`},
	}
	for _, c := range tests {
		theirStatus, theirs := send(t, http.MethodPost, s.Inference+"/predictions/"+c.model, c.kind, []byte(c.body))
		ourStatus, our := send(t, http.MethodPost, ours+"/predictions/"+c.model, c.kind, []byte(c.body))
		if theirStatus != ourStatus || ourStatus == http.StatusOK && !nearlyEqual([]byte(theirs), []byte(our)) {
			t.Errorf("%s: TorchServe %d %.200s; ours %d %.200s", c.name, theirStatus, theirs, ourStatus, our)
		}
	}
	together(t, s.Inference)
}

// together sends 12 requests of which one is bad at once, so that TorchServe makes batches.
func together(t *testing.T, url string) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			body, want := fmt.Sprintf("[%d, 0, 0, 0]", i), fmt.Sprintf("[%d,0,0,0]", 2*i)
			if i == 5 {
				body = "[1]"
			}
			status, answer := send(t, http.MethodPost, url+"/predictions/scale", "application/json", []byte(body))
			switch {
			case i == 5 && status != http.StatusBadRequest:
				t.Errorf("the bad request of a batch: %d %s", status, answer)
			case i != 5 && (status != http.StatusOK || !nearlyEqual([]byte(answer), []byte(want))):
				t.Errorf("request %d: %d %s, want %s", i, status, answer, want)
			}
		})
	}
	wg.Wait()
}

// nearlyEqual compares JSON; numbers may differ by the last digits of FP32, because batches and
// threads add in another order.
func nearlyEqual(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(bytes.TrimSpace(a), &x) == nil && json.Unmarshal(bytes.TrimSpace(b), &y) == nil && sameValue(x, y)
}

func sameValue(x, y any) bool {
	switch x := x.(type) {
	case float64:
		y, ok := y.(float64)
		return ok && math.Abs(x-y) <= 1e-5*max(1e-3, math.Abs(x), math.Abs(y))
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameValue(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if !sameValue(x[k], y[k]) {
				return false
			}
		}
		return true
	}
	return x == y
}
