//go:build unix

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestServeModelAPI: a server without models gets one of its store by a request, predicts with
// it on the routes of TorchServe, tells metrics, and forgets it again. Nothing outside the store
// is opened.
func TestServeModelAPI(t *testing.T) {
	file := clippedModel(t)
	inference, management, printed := startServerIn(t, t.TempDir(), "--enable-model-api", "--model-store="+filepath.Dir(file), "--disable-token-auth", "--batch-size=4")
	m := regexp.MustCompile(`metrics (http://[^\s,]+)`).FindStringSubmatch(printed[len(printed)-1])
	if m == nil {
		t.Fatalf("no metrics address in %q", printed)
	}
	outside := filepath.Join(t.TempDir(), "outside.onnx")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	numbers := "[" + strings.Repeat("1,", 63) + "1]"
	for _, tt := range []struct {
		method, url, body string
		status            int
		want              string
	}{
		{"GET", inference + "/ready", "", 200, "Ready"},
		{"POST", management + "/models?url=" + outside, "", 404, "is not the name of a file or folder in the model store"},
		{"POST", management + "/models?url=http://127.0.0.1:9/m.onnx", "", 404, "does not match any allowed URL(s)"},
		{"POST", management + "/models?url=clipped.onnx&initial_workers=1&model_name=c", "", 200, `Model \"c\" Version: 1.0 registered with 1 initial workers`},
		{"POST", inference + "/predictions/c", numbers, 200, "[1"},
		{"POST", inference + "/v1/models/c:predict", `{"instances":[` + numbers + "," + numbers + "]}", 200, `{"predictions":[[1`},
		{"POST", inference + "/c/1.0/predict", numbers, 200, "[1"},
		{"PUT", management + "/models/c?batch_size=8&synchronous=true", "", 200, "Batch size 8"},
		{"GET", management + "/models/c", "", 200, `"batchSize": 8`},
		{"GET", m[1] + "/metrics", "", 200, `sweetspot_requests_total{model="c",version="1.0"} 3`},
		{"DELETE", management + "/models/c", "", 200, `Model \"c\" unregistered`},
		{"GET", management + "/models", "", 200, `"models": []`},
	} {
		if status, answer := send(t, tt.method, tt.url, "application/json", []byte(tt.body)); status != tt.status || !strings.Contains(answer, tt.want) {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.url, status, answer, tt.status, tt.want)
		}
	}
	if status, _ := send(t, http.MethodOptions, inference+"/", "", nil); status != 200 {
		t.Errorf("OPTIONS /: %d", status)
	}
}
