//go:build unix

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine/api/control"
	"sweetspot/engine/torchservetest"
)

// pythonArchives are the archives of testdata/python.
var pythonArchives = []string{"custom", "function.mar", "stream", "status", "precision", "classifier", "detector"}

// pythonStore copies the archives to a folder and makes the weights of the classifier.
func pythonStore(t *testing.T) string {
	t.Helper()
	venv, store := torchservetest.Find(t), t.TempDir()
	for _, name := range pythonArchives {
		folder, isFile := strings.CutSuffix(name, ".mar")
		from := os.DirFS("../../testdata/python/" + folder)
		if isFile {
			packFolder(t, filepath.Join(store, name), from)
		} else if err := os.CopyFS(filepath.Join(store, name), from); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), filepath.Join(store, "classifier", "weights.py"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("weights.py: %v: %s", err, out)
	}
	return store
}

// packFolder makes a .mar file of a folder.
func packFolder(t *testing.T, path string, from fs.FS) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	if err := errors.Join(w.AddFS(from), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// stripes returns a PNG of random stripes.
func stripes(t *testing.T, seed uint64) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	img := image.NewRGBA(image.Rect(0, 0, 260+int(seed%3)*20, 240))
	for x := range img.Rect.Dx() {
		c := color.RGBA{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(rng.IntN(256)), 255}
		for y := range img.Rect.Dy() {
			img.SetRGBA(x, (y+x)%img.Rect.Dy(), c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pythonAnswer is what two servers must agree on.
type pythonAnswer struct {
	status   int
	media    string
	greeting string
	body     string
}

// predictOnce sends one request.
func predictOnce(t *testing.T, url, kind string, body []byte) pythonAnswer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("X-Own", "mine")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s: the answer ends with %v", url, err)
	}
	return pythonAnswer{resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("X-Greeting"), string(got)}
}

// form returns a body of fields and its type.
func form(t *testing.T, fields ...string) (kind string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		part, err := w.CreateFormFile(fields[i], fields[i])
		if err == nil {
			_, err = part.Write([]byte(fields[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// TestRealTorchServePython serves archives with handlers in Python in a real TorchServe and in ours,
// and compares the answers to the same requests, one at a time: status, type and every byte.
func TestRealTorchServePython(t *testing.T) {
	store := pythonStore(t)
	var config, ours []string
	for _, file := range pythonArchives {
		config, ours = append(config, strings.TrimSuffix(file, ".mar")+"="+file), append(ours, filepath.Join(store, file))
	}
	s, err := torchservetest.Start(t, torchservetest.Options{
		Store: store, Config: "default_workers_per_model=1\nload_models=" + strings.Join(config, ","), Env: []string{"OMP_NUM_THREADS=1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pythonArchives {
		if err := s.WaitReady(t.Context(), strings.TrimSuffix(name, ".mar")); err != nil {
			t.Fatal(err)
		}
	}
	url, _ := startServer(t, append(ours, "--disable-token-auth")...)
	formType, formBody := form(t, "a", "1", "data", "\x00\xff")
	drawingType, drawing := form(t, "data", string(stripes(t, 4)))
	for _, tt := range []struct{ model, kind, body string }{
		{"custom", "application/json", `{"a": [1, 2.5, "größe"]}`},
		{"custom", "application/json", `{"a": `},
		{"custom", "text/plain; charset=utf-8", "größe"},
		{"custom", "application/octet-stream", "\x00\xff"},
		{"custom", "", "no type"},
		{"custom", "", ""},
		{"custom", formType, string(formBody)},
		{"custom", "application/x-www-form-urlencoded", "data=one&b=two+words"},
		{"function", "text/plain", "größe"},
		{"function", "application/json", "[1, 2, 300]"},
		{"function", "application/json", `{"b": 1}`},
		{"stream", "text/plain", "one two three"},
		{"stream", "text/plain", "one"},
		{"status", "text/plain", "plain"},
		{"status", "text/plain", "status 404 no such cat"},
		{"status", "text/plain", "status 200 fine"},
		{"status", "text/plain", "type text/x-own of its own"},
		{"status", "text/plain", "raise"},
		{"status", "text/plain", "custom 418"},
		{"status", "text/plain", "custom 500"},
		{"status", "text/plain", "list"},
		{"status", "text/plain", "none"},
		{"status", "text/plain", "object"},
		{"status", "text/plain", "tensor"},
		{"precision", "application/json", "[1, 2, 3, 4]"},
		{"precision", "application/json", "[1, 2]"},
		{"classifier", "image/png", string(stripes(t, 1))},
		{"classifier", "image/png", string(stripes(t, 2))},
		{"classifier", "", string(stripes(t, 3))},
		{"classifier", "image/png", "no picture"},
		{"detector", drawingType, string(drawing)},
		{"detector", "image/png", string(stripes(t, 5))},
	} {
		theirs := predictOnce(t, s.Inference+"/predictions/"+tt.model, tt.kind, []byte(tt.body))
		got := predictOnce(t, url+"/predictions/"+tt.model, tt.kind, []byte(tt.body))
		if got != theirs {
			t.Errorf("%s %s %.40q:\nTorchServe %d %q %q %.300s\nours       %d %q %q %.300s", tt.model, tt.kind, tt.body,
				theirs.status, theirs.media, theirs.greeting, theirs.body, got.status, got.media, got.greeting, got.body)
		}
		t.Logf("%s %.20q: %d, %d bytes", tt.model, tt.body, got.status, len(got.body))
	}
	for _, path := range []string{"/explanations/custom", "/v1/models/custom:predict", "/v1/models/custom:explain", "/invocations?model_name=custom&q=1", "/models/custom/invoke?q=1", "/custom/predict?q=1", "/predictions/custom/1.0/more"} {
		theirs := predictOnce(t, s.Inference+path, "application/json", []byte(`{"instances": [1]}`))
		if got := predictOnce(t, url+path, "application/json", []byte(`{"instances": [1]}`)); got != theirs {
			t.Errorf("%s: TorchServe %+v, ours %+v", path, theirs, got)
		}
	}
}

// TestRealTorchServePythonBatches sends requests at once to our engine: each answer is the one that the
// request gets alone.
func TestRealTorchServePythonBatches(t *testing.T) {
	store := pythonStore(t)
	url, _ := startServer(t, filepath.Join(store, "custom"), filepath.Join(store, "stream"), filepath.Join(store, "status"), filepath.Join(store, "classifier"),
		"--disable-token-auth", "--batch-size", "4", "--batch-delay", "300ms")
	bodies := map[string][]string{
		"custom":     {"a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg", "hhhhhhhh"},
		"stream":     {"one two three", "a", "b c", "d e f g h", "i j", "k", "l m", "n o p q"},
		"status":     {"a", "status 404 b", "c", "type text/x-own d", "e", "status 500 f", "g", "status 201 h"},
		"classifier": {},
	}
	for i := range 8 {
		bodies["classifier"] = append(bodies["classifier"], string(stripes(t, uint64(i))))
	}
	for model, all := range bodies {
		at := url + "/predictions/" + model
		alone := make([]pythonAnswer, len(all))
		for i, body := range all {
			alone[i] = predictOnce(t, at, "text/plain", []byte(body))
			if model == "classifier" {
				alone[i] = predictOnce(t, at, "image/png", []byte(body))
			}
		}
		var wg sync.WaitGroup
		for i, body := range all {
			wg.Go(func() {
				kind := "text/plain"
				if model == "classifier" {
					kind = "image/png"
				}
				got := predictOnce(t, at, kind, []byte(body))
				same := got == alone[i]
				if model == "classifier" { // convolutions of batches add in another order
					same = got.status == http.StatusOK && nearlyEqual([]byte(got.body), []byte(alone[i].body))
				}
				if !same {
					t.Errorf("%s %.40q: %+v, alone %+v", model, body, got, alone[i])
				}
			})
		}
		wg.Wait()
	}
}

// workersOf returns the process IDs of the workers that are ready.
func workersOf(t *testing.T, management, model string) []int {
	t.Helper()
	var out []int
	for _, v := range versionsOf(t, management, model) {
		workers, _ := v["workers"].([]any)
		for _, w := range workers {
			w, _ := w.(map[string]any)
			if pid, _ := w["pid"].(float64); w["status"] == "READY" {
				out = append(out, int(pid))
			}
		}
	}
	return out
}

// waitWorkers waits until n workers are ready.
func waitWorkers(t *testing.T, management, model string, n int) []int {
	t.Helper()
	for {
		if all := workersOf(t, management, model); len(all) == n {
			return all
		}
		if t.Context().Err() != nil {
			t.Fatalf("%d workers did not become ready", n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// pythonLoad sends requests until stop is called, which returns how many were answered and how many
// got an error that allowed accepts.
func pythonLoad(t *testing.T, url string, clients int, allowed func(pythonAnswer) bool) (stop func() (answered, failed int64)) {
	t.Helper()
	var ended atomic.Bool
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := 0; !ended.Load(); i++ {
				word := fmt.Sprintf("word %d %d", c, i)
				switch got := predictOnce(t, url, "text/plain", []byte(word)); {
				case got.status == http.StatusOK && got.body == word:
					good.Add(1)
				case got.status != http.StatusOK && allowed(got):
					bad.Add(1)
				default:
					t.Errorf("%s: %+v", word, got)
				}
			}
		})
	}
	return func() (int64, int64) {
		ended.Store(true)
		wg.Wait()
		return good.Load(), bad.Load()
	}
}

// TestRealTorchServePythonKilled kills workers at random with signal 9 under load. Every request is
// answered, with its own answer or with an error that says why, the workers come back each time, and
// after the end of the server no process is left.
func TestRealTorchServePythonKilled(t *testing.T) {
	store := pythonStore(t)
	seen := map[int]bool{}
	t.Cleanup(func() { // after the end of the server
		for pid := range seen {
			if syscall.Kill(pid, 0) == nil {
				t.Errorf("the worker with the process ID %d still exists", pid)
			}
		}
	})
	url, management := startServer(t, filepath.Join(store, "status"), "--disable-token-auth", "--workers", "2", "--batch-size", "4", "--batch-delay", "2ms")
	stop := pythonLoad(t, url+"/predictions/status", 6, func(a pythonAnswer) bool {
		return a.status == http.StatusInternalServerError && strings.Contains(a.body, "the session is lost") && strings.Contains(a.body, "killed by signal 9") ||
			a.status == http.StatusServiceUnavailable && strings.Contains(a.body, "no workers")
	})
	const kills = 50
	rng := rand.New(rand.NewPCG(18, 0))
	for range kills {
		all := waitWorkers(t, management, "status", 2)
		for _, pid := range all {
			seen[pid] = true
		}
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond) // a random moment
		if err := syscall.Kill(all[rng.IntN(2)], syscall.SIGKILL); err != nil {
			t.Errorf("kill: %v", err)
		}
		for len(workersOf(t, management, "status")) == 2 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	for _, pid := range waitWorkers(t, management, "status", 2) {
		seen[pid] = true
	}
	answered, failed := stop()
	t.Logf("%d requests answered, %d got an error, %d workers in all", answered, failed, len(seen))
	if answered < kills || failed > 4*kills*2 {
		t.Errorf("%d requests answered, %d failed by %d kills of workers with batches of 4", answered, failed, kills)
	}
}

// TestRealTorchServePythonHangs ends a handler that hangs at the response timeout. Its request gets an
// error that says so, and the next one an answer.
func TestRealTorchServePythonHangs(t *testing.T) {
	store := pythonStore(t)
	dir := writeFiles(t, map[string]string{"config.properties": "disable_token_authorization=true\ndefault_response_timeout=1\ndefault_workers_per_model=1\nload_models=status\nmodel_store=" + store + "\n"})
	url, management, _ := startServerIn(t, dir, "--ts-config", "config.properties")
	before := waitWorkers(t, management, "status", 1)
	workers, _ := versionsOf(t, management, "status")["1.0"]["workers"].([]any)
	for _, w := range workers { // torch alone has more than 50 MB
		w, _ := w.(map[string]any)
		if m, _ := w["memoryUsage"].(float64); m < 50e6 || int(w["pid"].(float64)) == os.Getpid() {
			t.Errorf("the worker is described as %v", w)
		}
		status, answer := send(t, http.MethodGet, management+"/engine/v1/stats", "", nil)
		var stats control.Stats
		if err := json.Unmarshal([]byte(answer), &stats); err != nil || status != http.StatusOK {
			t.Fatalf("stats: %d %s", status, answer)
		}
		if all, ok := stats.Process.RSSBytes.Get(); !ok || all <= w["memoryUsage"].(float64) {
			t.Errorf("the server has %v bytes with its worker, which has %v", all, w["memoryUsage"])
		}
	}
	got := predictOnce(t, url+"/predictions/status", "text/plain", []byte("hang"))
	if got.status != http.StatusInternalServerError || !strings.Contains(got.body, "did not answer a batch of 1 within 1s, the response timeout") {
		t.Errorf("hang: %+v", got)
	}
	after := waitWorkers(t, management, "status", 1)
	if before[0] == after[0] {
		t.Errorf("the worker %d that hangs still answers", before[0])
	}
	for syscall.Kill(before[0], 0) == nil { // until it has been reaped; the test has a time limit
		time.Sleep(10 * time.Millisecond)
	}
	if got := predictOnce(t, url+"/predictions/status", "text/plain", []byte("on")); got.body != "on" {
		t.Errorf("after it: %+v", got)
	}
}

// TestRealTorchServePythonPrecision serves a handler that honours precision and threads.
func TestRealTorchServePythonPrecision(t *testing.T) {
	store := pythonStore(t)
	url, _ := startServer(t, filepath.Join(store, "precision"), "--disable-token-auth", "--precision", "fp16", "--threads", "2")
	got := predictOnce(t, url+"/predictions/precision", "application/json", []byte("[1, 2, 3, 4]"))
	for _, want := range []string{`"dtype": "torch.float16"`, `"threads": 2`, `"omp": "2"`, "0.0999755859375"} { // .1 in FP16
		if got.status != http.StatusOK || !strings.Contains(got.body, want) {
			t.Errorf("%d %s, want %s", got.status, got.body, want)
		}
	}
}
