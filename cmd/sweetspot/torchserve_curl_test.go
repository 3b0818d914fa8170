//go:build unix

package main

import (
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// writeJPEG writes a picture.
func writeJPEG(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := jpeg.Encode(f, image.NewRGBA(image.Rect(0, 0, 64, 48)), nil); err != nil {
		t.Fatal(err)
	}
}

// curlRC is a configuration of curl that sends the addresses of TorchServe to those of a server.
// The commands, their URLs and their headers stay as they are.
func curlRC(inference, management, metrics string) string {
	var rc strings.Builder
	rc.WriteString("silent\nwrite-out = \"\\n%{http_code}\"\n")
	for port, at := range map[string]string{"8080": inference, "8081": management, "8082": metrics} {
		for _, host := range []string{"localhost", "127.0.0.1"} {
			fmt.Fprintf(&rc, "connect-to = \"%s:%s:%s\"\n", host, port, strings.TrimPrefix(at, "http://"))
		}
	}
	return rc.String()
}

// TestTorchServeExamples runs the curl commands of TorchServe's documentation, in order and
// unmodified. Those that download a model are left out; url names an archive of the store instead.
func TestTorchServeExamples(t *testing.T) {
	tool, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	scale := scaleFile(t)
	photo, err := os.ReadFile("../../testdata/bodies/photo.onnx")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"kitten_small.json": `{"instances": [[1, 2, 3, 4]]}`, "store/squeezenet1_1.onnx": string(photo)}
	for _, a := range [][3]string{{"resnet-18", "1.0", string(photo)}, {"resnet-18", "2.0", string(photo)}, {"noop", "1.0", scale}, {"noop", "2.0", scale}, {"mnist", "1.0", scale}} {
		dir := "store/" + a[0] + "-" + a[1]
		files[dir+"/model.onnx"] = a[2]
		files[dir+"/MAR-INF/MANIFEST.json"] = fmt.Sprintf(`{"model": {"modelName": %q, "modelVersion": %q}}`, a[0], a[1])
	}
	dir := writeFiles(t, files)
	writeJPEG(t, filepath.Join(dir, "kitten_small.jpg"))
	t.Setenv("LOG_LOCATION", filepath.Join(dir, "logs"))
	inference, management, printed := startServerIn(t, dir, "--disable-token-auth", "--enable-model-api", "--model-store=store",
		"store/resnet-18-1.0", "store/resnet-18-2.0", "store/noop-1.0", "store/noop-2.0", "store/mnist-1.0")
	metrics := regexp.MustCompile(`metrics (http://[^\s,]+)`).FindStringSubmatch(strings.Join(printed, "\n"))
	if metrics == nil {
		t.Fatalf("no metrics address in %q", printed)
	}
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte(curlRC(inference, management, metrics[1])), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		command string
		status  string
		want    string
	}{
		{`curl http://localhost:8080/ping`, "200", `"status": "Healthy"`},
		{`curl -X OPTIONS http://localhost:8080`, "200", `"openapi"`},
		{`curl http://localhost:8080/predictions/resnet-18 -T kitten_small.jpg`, "200", "["},
		{`curl http://localhost:8080/predictions/resnet-18 -F "data=@kitten_small.jpg"`, "200", "["},
		{`curl http://localhost:8080/predictions/resnet-18/2.0 -T kitten_small.jpg`, "200", "["},
		{`curl -X POST http://localhost:8080/predictions/resnet-18/2.0 -F "data=@kitten_small.jpg"`, "200", "["},
		{`curl -H "Content-Type: application/json" --data @kitten_small.json http://127.0.0.1:8080/v1/models/mnist:predict`, "200", `"predictions"`},
		{`curl "http://localhost:8081/models"`, "200", `"modelName": "mnist"`},
		{`curl "http://localhost:8081/models?limit=2&next_page_token=2"`, "200", `"modelName": "resnet-18"`},
		{`curl http://localhost:8081/models/noop`, "200", `"modelVersion": "1.0"`},
		{`curl http://localhost:8081/models/noop/2.0`, "200", `"modelVersion": "2.0"`},
		{`curl http://localhost:8081/models/noop/all`, "200", `"modelVersion": "2.0"`},
		{`curl http://localhost:8081/models/noop/1.0?customized=true`, "200", `"customizedMetadata"`},
		{`curl -v -X PUT "http://localhost:8081/models/noop?min_worker=3"`, "202", `"Processing worker updates..."`},
		{`curl -v -X PUT "http://localhost:8081/models/noop?min_worker=3&synchronous=true"`, "200", `Workers scaled to 3 for model: noop`},
		{`curl -v -X PUT "http://localhost:8081/models/noop/2.0?min_worker=3&synchronous=true"`, "200", `Workers scaled to 3 for model: noop, version: 2.0`},
		{`curl -v -X PUT http://localhost:8081/models/noop/2.0/set-default`, "200", `Default version successfully updated for model \"noop\" to \"2.0\"`},
		{`curl -X DELETE http://localhost:8081/models/noop/1.0`, "200", `Model \"noop\" unregistered`},
		{`curl -X POST "http://localhost:8081/models?initial_workers=1&synchronous=true&url=squeezenet1_1.onnx"`, "200", `registered with 1 initial workers`},
		{`curl -X OPTIONS http://localhost:8081`, "200", `"openapi"`},
		{`curl -X OPTIONS http://localhost:8081/models/noop`, "200", `"openapi"`},
		{`curl http://127.0.0.1:8082/metrics`, "200", "ts_inference_requests_total{"},
		{`curl "http://127.0.0.1:8082/metrics?name[]=ts_inference_latency_microseconds&name[]=ts_queue_latency_microseconds" --globoff`, "200", "ts_queue_latency_microseconds{"},
		{`curl -X OPTIONS http://localhost:8082`, "200", `"openapi"`},
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", tc.command)
		cmd.Dir = dir
		cmd.Env = []string{"CURL_HOME=" + dir, "HOME=" + dir, "PATH=" + filepath.Dir(tool)}
		out, err := cmd.Output()
		answer, status := strings.TrimSpace(string(out)), ""
		if i := strings.LastIndex(answer, "\n"); i >= 0 {
			answer, status = answer[:i], answer[i+1:]
		}
		if err != nil || status != tc.status || !strings.Contains(answer, tc.want) {
			t.Errorf("%s: %v, status %s, want %s with %q:\n%.300s", tc.command, err, status, tc.status, tc.want, answer)
		}
	}
	checkLogs(t, filepath.Join(dir, "logs"))
}

// checkLogs waits for the lines of requests and of models in TorchServe's log files.
func checkLogs(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]string{
		"access_log.log": `(?m)^\S+ - /127\.0\.0\.1:\d+ "OPTIONS / HTTP/1\.1" 200 \d+\n(.*\n)+.* "PUT /models/noop/2\.0/set-default HTTP/1\.1" 200 \d+$`,
		"ts_log.log":     `(?m)^\S+ \[INFO \] main sweetspot - serving model=noop `,
		"model_log.log":  `(?m)^\S+ \[INFO \] main MODEL_LOG - serving model=noop `,
	} {
		pattern, text := regexp.MustCompile(want), []byte(nil)
		for range 300 { // a guard: lines are written soon after their request
			var err error
			if text, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if pattern.Match(text) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if !pattern.Match(text) {
			t.Errorf("%s has no %s:\n%s", name, want, text)
		}
	}
}
