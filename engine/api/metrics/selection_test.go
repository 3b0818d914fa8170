package metrics_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/api/metrics"
)

func TestSelection(t *testing.T) {
	selected, warnings := metrics.Select([]metrics.Named{
		{Name: "ts_inference_requests_total", Counter: true, Unit: "Count", Labels: []string{"model", "version", "host"}, From: "m:1"},
		{Name: "QueueTime", Counter: true, Unit: "ms", Labels: []string{"Level", "Hostname"}, From: "m:2"},
		{Name: "PredictionTime", Unit: "ms", Labels: []string{"ModelName", "Hostname"}, From: "m:3"},
		{Name: "TokensOut", Unit: "Count", From: "m:4"},
	})
	want := []string{
		"m:2: QueueTime is always a gauge",
		"m:3: PredictionTime has the dimensions ModelName, Level, Hostname, and not ModelName, Hostname",
		"m:4: TokensOut is measured only if a handler in Python does so",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
	c := config(start(t, 3, 1))
	c.Selection = selected
	text := scrape(t, c, "")
	for _, want := range []string{`ts_inference_requests_total{model="words",version="1.0",host="host",} 5.0`, "QueueTime{", "PredictionTime{", "sweetspot_requests_total{"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, other := range []string{"Requests2XX", "HandlerTime", "MemoryUsed"} {
		if strings.Contains(text, other) {
			t.Errorf("%s is there, and the file does not have it", other)
		}
	}
}

// TestEverySelectable checks that the families that a file may have are all that TorchServe's
// metrics have.
func TestEverySelectable(t *testing.T) {
	c := config(start(t, 3, 1))
	before := scrape(t, c, "")
	c.Selection, _ = metrics.Select(nil)
	for line := range strings.Lines(scrape(t, c, "")) {
		if name := strings.TrimPrefix(line, "# TYPE "); name != line && isTorchServes(name) {
			t.Errorf("an empty file has %s", name)
		}
	}
	if !strings.Contains(before, "# TYPE QueueTime gauge") {
		t.Error("without a file not all metrics are there")
	}
}
