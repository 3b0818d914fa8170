package metrics_test

import (
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// The metrics of handlers are there, but for those that Prometheus cannot take: one of them would
// fail the whole scrape.
func TestHandlerMetrics(t *testing.T) {
	labels := []payload.Field{{Name: "ModelName", Value: "m\xff"}, {Name: "Level", Value: "Model"}}
	b := &enginetest.Backend{Measured: []engine.HandlerMetric{
		{Name: "Cats", Unit: "Count", Kind: engine.HandlerCounter, Labels: labels, Value: 7, Count: 3},
		{Name: "Cats", Unit: "Count", Kind: engine.HandlerCounter, Labels: labels[:1], Value: 1, Count: 1},
		{Name: "Size", Unit: "Megabytes", Labels: labels, Value: 2.5, Count: 9},
		{Name: "Wait", Unit: "Milliseconds", Kind: engine.HandlerHistogram, Labels: labels, Value: 30, Count: 4},
		{Name: "no name", Labels: labels},
		{Name: "9", Labels: labels},
		{Name: "Bad", Labels: []payload.Field{{Name: "a-b", Value: "c"}}},
		{Name: "Twice", Labels: []payload.Field{{Name: "a", Value: "b"}, {Name: "a", Value: "c"}}},
		{Name: "QueueTime", Value: 99, Labels: labels},
		{Name: "sweetspot_ready", Value: 99},
	}}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: b}, Cores: 2})
	if err := e.Load(t.Context(), enginetest.Model("m"), knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context()) //nolint:errcheck // no request runs
	text := scrape(t, config(e), "")
	for _, want := range []string{`Cats{Level="Model",ModelName="m?"} 7`, `Size{Level="Model",ModelName="m?"} 2.5`, `Wait_sum{Level="Model",ModelName="m?"} 30`, `Wait_count{Level="Model",ModelName="m?"} 4`, "# TYPE Cats counter"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, other := range []string{"Bad", "Twice", " 99\n", `Cats{ModelName`} {
		if strings.Contains(text, other) {
			t.Errorf("%q is there", other)
		}
	}
	c := config(e)
	c.Selection, _ = metrics.Select([]metrics.Named{{Name: "Size", From: "m:1"}})
	if text := scrape(t, c, ""); !strings.Contains(text, "Size{") || strings.Contains(text, "Cats{") {
		t.Errorf("a file with Size gives\n%s", text)
	}
}
