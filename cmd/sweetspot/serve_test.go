//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// startServer runs sweetspot serve on free ports and returns its addresses.
func startServer(t *testing.T, args ...string) (inference, management string) {
	t.Helper()
	inference, management, _ = startServerIn(t, t.TempDir(), args...)
	return inference, management
}

// startServerWithLog also returns what the server has written until it was ready.
func startServerWithLog(t *testing.T, args ...string) (inference, management, log string) {
	t.Helper()
	inference, management, printed := startServerIn(t, t.TempDir(), args...)
	return inference, management, strings.Join(printed, "\n")
}

// startServerIn is startServer in a folder; it also returns the lines that the server has
// written until it was ready.
func startServerIn(t *testing.T, dir string, args ...string) (inference, management string, printed []string) {
	t.Helper()
	cmd := programWithRuntime(t, append([]string{"serve", "--listen=127.0.0.1:0", "--management=127.0.0.1:0", "--metrics=127.0.0.1:0", "--grpc=127.0.0.1:0", "--grpc-management=127.0.0.1:0"}, args...)...)
	cmd.Dir = dir
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	startWithTest(t, cmd)
	lines := bufio.NewScanner(stderr)
	ready := regexp.MustCompile(`inference (https?://\S+), management (https?://[^\s,]+)`)
	for lines.Scan() {
		printed = append(printed, lines.Text())
		if m := ready.FindStringSubmatch(lines.Text()); m != nil {
			inference, management = strings.TrimSuffix(m[1], ","), m[2]
			break
		}
	}
	if inference == "" {
		t.Fatalf("serve does not start: %v: %s", cmd.Wait(), strings.Join(printed, "\n"))
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, stderr)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		<-drained
		if code := exitCode(cmd.Wait()); code != 130 {
			t.Errorf("serve ended with %d after Ctrl-C, want 130", code)
		}
	})
	return inference, management, printed
}

// programWithRuntime returns the command of sweetspot, which finds ONNX Runtime. Without that the test is skipped.
func programWithRuntime(t *testing.T, args ...string) *exec.Cmd {
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
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), ortlib.EnvVar+"="+lib.Path)
	return cmd
}

func exitCode(err error) int {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return 0
}

// send sends a body and returns the status and the answer.
func send(t *testing.T, method, url, contentType string, body []byte, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

// TestServe sends an image, JSON and raw tensors to real models. Invalid bodies get an error
// that says what is expected. Settings can be changed meanwhile.
func TestServe(t *testing.T) {
	inference, management := startServer(t, "builtin:resnet18", "wide=builtin:mlp-wide", "--disable-token-auth", "--batch-size=2")
	var photo bytes.Buffer
	img := image.NewRGBA(image.Rect(0, 0, 300, 260))
	for i := range 300 {
		img.Set(i, i%260, color.RGBA{200, uint8(i), 30, 255})
	}
	if err := png.Encode(&photo, img); err != nil {
		t.Fatal(err)
	}
	numbers, _ := json.Marshal(make([]float32, 2048))
	for _, tc := range []struct {
		name, path, kind string
		body             []byte
		status           int
		want             string
	}{
		{"ping", "/ping", "", nil, 200, "Healthy"},
		{"an image", "/predictions/resnet18", "image/png", photo.Bytes(), 200, "["},
		{"JSON", "/predictions/wide", "application/json", numbers, 200, "["},
		{"raw", "/predictions/wide", "application/octet-stream", make([]byte, 8192), 200, "["},
		{"a version", "/predictions/wide/1.0", "application/json", numbers, 200, "["},
		{"too short", "/predictions/wide", "application/octet-stream", make([]byte, 100), 400, "8192 bytes"},
		{"no numbers", "/predictions/wide", "application/json", []byte(`["a"]`), 400, `input \"x\"`},
		{"empty", "/predictions/wide", "application/json", nil, 400, "empty"},
		{"unknown model", "/predictions/narrow", "application/json", numbers, 404, "ModelNotFoundException"},
		{"unknown version", "/predictions/wide/7", "application/json", numbers, 404, "ModelVersionNotFoundException"},
		{"unknown route", "/nothing", "", nil, 404, "ResourceNotFoundException"},
	} {
		status, answer := send(t, http.MethodPost, inference+tc.path, tc.kind, tc.body)
		if status != tc.status || !strings.Contains(answer, tc.want) {
			t.Errorf("%s: %d %.200s; want %d with %q", tc.name, status, answer, tc.status, tc.want)
		}
	}
	status, answer := send(t, http.MethodPut, management+"/engine/v1/models/wide/settings", "application/json", []byte(`{"workers": 2, "batch_size": 4}`))
	if status != 200 || !strings.Contains(answer, `"applied"`) || !strings.Contains(answer, `"workers":2`) {
		t.Errorf("settings: %d %s", status, answer)
	}
	status, answer = send(t, http.MethodPut, management+"/engine/v1/models/wide/settings", "application/json", []byte(`{"batchsize": 4}`))
	if status != 400 || !strings.Contains(answer, "did you mean batch_size?") {
		t.Errorf("unknown knob: %d %s", status, answer)
	}
	status, answer = send(t, http.MethodGet, management+"/engine/v1/stats", "", nil)
	if status != 200 || !strings.Contains(answer, `"wide"`) {
		t.Errorf("stats: %d %s", status, answer)
	}
}

// TestServeTokens: requests without the key of key_file.json are refused.
func TestServeTokens(t *testing.T) {
	inference, _ := startServer(t, "builtin:mlp-wide")
	status, answer := send(t, http.MethodGet, inference+"/ping", "", nil)
	if status != 400 || !strings.Contains(answer, "InvalidKeyException") {
		t.Errorf("without a key: %d %s", status, answer)
	}
}

// clippedModel writes a model whose weights are outside the range of FP16, so that its answers
// in FP16 are a hundredth of those in FP32, and returns its path.
func clippedModel(t *testing.T) string {
	t.Helper()
	b := builder.New("clipped", 1)
	shape := []onnxgraph.Dim{onnxgraph.Open("N"), {Size: 64}}
	x := b.Op("Mul", []string{b.Input("x", onnxpb.TensorProto_FLOAT, shape...), b.Fill(1e6, 64)})
	b.Output("y", b.Op("Mul", []string{x, b.Fill(1e-6, 64)}), onnxpb.TensorProto_FLOAT, shape...)
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clipped.onnx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestServeFP16: serve says at its start how far FP16 agrees, and warns if it does not.
func TestServeFP16(t *testing.T) {
	_, _, log := startServerWithLog(t, clippedModel(t), "--precision=fp16", "--disable-token-auth")
	if want := "fp16 agrees on 0 of 16 samples; largest difference 99%; 64 clipped values"; !strings.Contains(log, "warning: clipped: "+want) {
		t.Errorf("log of a wrong model has no warning with %q:\n%s", want, log)
	}
	_, _, log = startServerWithLog(t, "builtin:mlp", "--precision=fp16", "--disable-token-auth")
	if !strings.Contains(log, "mlp: fp16 agrees on 16 of 16 samples") || strings.Contains(log, "warning: mlp") {
		t.Errorf("log of a right model:\n%s", log)
	}
}
