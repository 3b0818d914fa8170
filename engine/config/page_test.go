package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
)

var update = flag.Bool("update", false, "rewrite the table of keys")

// different says what sweetspot serve does otherwise with a key that it reads.
var different = map[string]string{
	"inference_address":        "the same; TLS 1.2 and 1.3",
	"management_address":       "the same; also the control API",
	"metrics_address":          "the same",
	"grpc_inference_address":   "the same; also for the Open Inference Protocol",
	"enable_grpc_ssl":          "the same; without certificate_file and private_key_file a certificate of its own, where TorchServe ends",
	"model_store":              "the same; `.onnx` files too",
	"load_models":              "the same, but a model that cannot be loaded ends the start, and a URL is refused",
	"models":                   "the same; what it does not say is a default of sweetspot: without a delay 0 ms under the `eager` rule, 100 under `torchserve`",
	"model_snapshot":           "the same, but none is read unless it is the file of `--ts-config`; written with `--ts-config` and `LOG_LOCATION`",
	"number_of_gpu":            "the same: at most so many are used, 0 forces the CPU",
	"default_response_timeout": "the same; the session whose batch exceeds it is replaced, and only a worker in Python is killed",
	"allowed_urls":             "the same form; default: none, so that no URL can be registered",
	"private_key_file":         "the same; any kind of key, PEM",
	"certificate_file":         "the same; without both files a certificate of its own, as TorchServe",
	"cors_allowed_origin":      "the same; the question that a browser asks first is answered without a key; pages of other origins get 403",
	"max_response_size":        "the same; default: no limit. A larger answer is 500 with the sizes, no worker is killed",
	"metrics_config":           "the same; default: all metrics. A metric that is not measured is named, and the numbers of dimensions do not change",
	"service_envelope":         "the same for the handlers of ONNX models; one in Python gets the parts of a request as they are",
	"disable_system_metrics":   "the same",
	"metric_time_interval":     "the same for log files; `/metrics` measures at each scrape",
	"metrics_mode":             "the same; default: `prometheus`",
	"cpu_launcher_enable":      "each worker has cores of its own, an equal share of the cores, as `--pin`, on Linux; no other program is started, and no allocator or OpenMP is loaded",
	"cpu_launcher_args":        "`--ncores_per_instance N` and `--latency_mode` (4) say how many cores each worker has, as `--threads`; the other options are ignored, and named at the start with the reason",
	"token_expiration_min":     "the same, from 0.0001 to 52560000; other values are refused, where TorchServe makes keys that have expired, or ends",
	"max_request_size":         "the same; default: more for a model whose inputs need it",
}

// TestCompatibilityPage compares the table of keys in docs/torchserve-compatibility.md with the
// keys that are read and those that are ignored.
func TestCompatibilityPage(t *testing.T) {
	const page, begin, end = "../../docs/torchserve-compatibility.md", "| key | TorchServe's default |", "\n\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString(begin + " sweetspot |\n|---|---|---|\n")
	for _, k := range config.Keys() {
		here := different[k.Name]
		reason := config.Ignored(k.Name)
		switch {
		case reason != "" && here != "":
			t.Errorf("%s is ignored and different", k.Name)
		case reason != "":
			here = "ignored: " + reason
		case here == "":
			here = "the same"
		}
		def := k.Default
		if strings.ContainsAny(def, "|*") || strings.Contains(def, "://") {
			def = "`" + strings.ReplaceAll(def, "|", `\|`) + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", k.Name, def, here)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	if !ok {
		t.Fatalf("%s has no line %q", page, begin)
	}
	table, after, _ := strings.Cut(rest, end)
	got := begin + table + "\n"
	if diff := cmp.Diff(want.String(), got); diff != "" && !*update {
		t.Errorf("the table (-want +got); go test -update writes it:\n%s", diff)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+strings.TrimSuffix(want.String(), "\n")+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
